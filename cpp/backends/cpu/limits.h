// What this processor can do at best, measured with the threads at hand.
#pragma once

#include "backends/cpu/cpu_device.h"

namespace alexnet {

DeviceLimits measure_cpu_limits(CpuDevice& device);

}  // namespace alexnet
