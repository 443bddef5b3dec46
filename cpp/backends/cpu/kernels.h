// The kernels of every op, compiled once per instruction set (kernels.cpp) and chosen at run time.
#pragma once

#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/direct/shape.h"
#include "backends/cpu/winograd/kernels.h"
#include "core/device.h"
#include "ops/all_ops.h"

namespace alexnet {

// The kernels of the direct convolution; direct/register_tiles.h documents each. x, w, dy and y
// have the same type, float or bf16; packed values have four bytes or two.
struct DirectKernels {
  int lanes, pair;  // channels per vector, vectors per tile
  int width;        // values per term
  void (*pack_input)(const DirectShape&, const void* x, void* packed);
  void (*pack_pixels)(const DirectShape&, const void* x, void* packed);
  void (*pack_weights)(const DirectShape&, const void* w, bool transposed, int pair, void* packed);
  void (*add_unpacked)(const DirectShape&, const float* packed, int pair, float* dw);
  void (*forward)(const DirectShape&, const void* packed, const void* w, const float* bias,
                  bool relu, int pair, int first_row, int last_row, void* y);
  void (*backward_weights)(const DirectShape&, const void* packed, const void* dy, int pair,
                           float* dw, float* db);
};

// The kernels of the matrix product in gemm_packed.h, which documents each.
struct GemmKernels {
  int64_t slab;  // columns of C per slab
  int64_t (*tiles)(int64_t rows);
  void (*pack_a)(const Gemm&, int64_t tile, float* packed);
  void (*multiply)(const Gemm&, const float* packed_a, int64_t slab, int64_t first_tile,
                   int64_t last_tile);
};

// The loops that measure the peak rates (peak_loops.h).
struct PeakLoops {
  int multiply_adds;  // per turn
  float (*multiply_add)(int64_t turns);
  float (*read)(const float* data, int64_t count);
};

// Kernels for which the processor's bf16 instructions are faster than conversion
// (kernels_bf16.cpp).
struct Bf16Kernels {
  DirectKernels direct;
  void (*gemm_nt)(const Gemm& gemm, int64_t first, int64_t last);  // gemm_nt.h
  // gemm_bf16.h; returns false for products that it does not support.
  bool (*gemm)(const Gemm& gemm, ThreadPool& pool);
};

struct KernelTable {
  const char* name;
  DirectKernels direct, bf16_direct;
  const WinogradKernels* winograd;
  void (*launch[AllOps::size])(const void* op, Grid grid, ThreadPool& pool);
  void (*gemm_f32)(const Gemm& gemm);  // single-threaded, for builds without a BLAS
  void (*gemm_f64)(const Gemm& gemm);
  GemmKernels gemm_packed;
  void (*gemm_nt)(const Gemm& gemm, int64_t first, int64_t last);  // gemm_nt.h
  void (*bf16_gemm_nt)(const Gemm& gemm, int64_t first, int64_t last);
  PeakLoops peak;
};

extern const KernelTable kernels_generic;
#if defined(ANX_X86_KERNELS)
extern const KernelTable kernels_avx2, kernels_avx512;
extern const Bf16Kernels bf16_kernels_avx512;
#endif

// The best table for this processor, or the one named by ALEXNET_CPU.
const KernelTable& kernels();
// Null if bf16 is converted to float instead.
const Bf16Kernels* bf16_kernels();

}  // namespace alexnet
