// The loops of every op, compiled once per instruction set (kernels.cpp) and chosen at run time.
#pragma once

#include "backends/cpu/thread_pool.h"
#include "core/device.h"
#include "ops/all_ops.h"

namespace alexnet {

struct KernelTable {
  const char* name;
  void (*launch[AllOps::size])(const void* op, Grid grid, ThreadPool& pool);
  void (*gemm_f32)(const Gemm& gemm);  // single-threaded, used where there is no BLAS
  void (*gemm_f64)(const Gemm& gemm);
};

extern const KernelTable kernels_generic;
#if defined(ANX_X86_KERNELS)
extern const KernelTable kernels_avx2, kernels_avx512;
#endif

// The best table for this processor, or the one that ALEXNET_CPU names.
const KernelTable& kernels();

}  // namespace alexnet
