// The peak rates of this processor, measured with the threads of the device.
#pragma once

#include "backends/cpu/device/cpu_device.h"

namespace alexnet {

PeakRates measure_cpu_peak_rates(CpuDevice& device);

}  // namespace alexnet
