// Matrix products on the CPU: a BLAS call per fixed tile.
#pragma once

#include "backends/cpu/device/thread_pool.h"
#include "core/device.h"

namespace alexnet {

// On the calling thread alone.
void serial_gemm(const Gemm& gemm);
// Cut along the longer side of C into tiles that depend on the shape alone, so that the result is
// the same for any number of threads.
void parallel_gemm(ThreadPool& pool, const Gemm& gemm);

const char* blas_name();

}  // namespace alexnet
