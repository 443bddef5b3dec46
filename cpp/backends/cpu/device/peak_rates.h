// What this processor can do at best, measured with the threads at hand.
#pragma once

#include "backends/cpu/device/cpu_device.h"

namespace alexnet {

PeakRates measure_cpu_peak_rates(CpuDevice& device);

}  // namespace alexnet
