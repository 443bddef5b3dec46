// Matrix products on the CPU.
#pragma once

#include "backends/cpu/device/thread_pool.h"
#include "core/device.h"

namespace alexnet {

// Runs on the calling thread only.
void serial_gemm(const Gemm& gemm);
// Cuts the work into parts that depend only on the shape, so that the result is the same for any
// number of threads. Uses the kernels of this folder where they are faster than the BLAS, otherwise
// one BLAS call per tile of C.
void parallel_gemm(ThreadPool& pool, const Gemm& gemm);

const char* blas_name();

}  // namespace alexnet
