// What a GPU does at best: the rate of cuBLAS's products and of copies within its memory.
#pragma once

#include "backends/cuda/cuda_device.h"

namespace alexnet {

PeakRates measure_cuda_peak_rates(CudaDevice& device);

}  // namespace alexnet
