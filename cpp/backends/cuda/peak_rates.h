// The peak rates of a GPU, measured with cuBLAS products and copies within its memory.
#pragma once

#include "backends/cuda/cuda_device.h"

namespace alexnet {

PeakRates measure_cuda_peak_rates(CudaDevice& device);

}  // namespace alexnet
