#include "backends/cpu/gemm/gemm.h"

#include <algorithm>
#include <vector>

#include "backends/cpu/device/scratch.h"
#include "backends/cpu/kernels.h"

#if defined(ANX_BLAS_WHEEL) || defined(ANX_BLAS_SYSTEM)
#include <cblas.h>
#if defined(ANX_BLAS_WHEEL)
#define ANX_CBLAS(name) scipy_cblas_##name
extern "C" void scipy_openblas_set_num_threads(int);
#else
#define ANX_CBLAS(name) cblas_##name
#endif
#endif

namespace alexnet {

namespace {

// The rows of a bf16 matrix as floats.
std::vector<float> to_float(const void* matrix, int64_t rows, int64_t columns, int64_t ld) {
  std::vector<float> out(size_t(rows * columns));
  for (int64_t i = 0; i < rows; ++i) {
    const bf16* row = static_cast<const bf16*>(matrix) + i * ld;
    std::copy(row, row + columns, out.data() + i * columns);
  }
  return out;
}

// Products of bf16 numbers are exact in float, so only the sums round, as in a float product.
void converted_gemm(const Gemm& g) {
  Gemm wide = g;
  wide.dtype = DType::f32;
  wide.lda = g.transpose_a ? g.m : g.k;
  wide.ldb = g.transpose_b ? g.k : g.n;
  const std::vector<float> a = to_float(g.a, g.transpose_a ? g.k : g.m, wide.lda, g.lda);
  const std::vector<float> b = to_float(g.b, g.transpose_b ? g.n : g.k, wide.ldb, g.ldb);
  wide.a = a.data();
  wide.b = b.data();
  serial_gemm(wide);
}

}  // namespace

#if defined(ANX_CBLAS)

void serial_gemm(const Gemm& g) {
  if (g.dtype == DType::bf16) return converted_gemm(g);
#if defined(ANX_BLAS_WHEEL)
  // Threads come from this library's pool.
  [[maybe_unused]] static const bool single = (scipy_openblas_set_num_threads(1), true);
#endif
  const auto ta = g.transpose_a ? CblasTrans : CblasNoTrans;
  const auto tb = g.transpose_b ? CblasTrans : CblasNoTrans;
  const int m = int(g.m), n = int(g.n), k = int(g.k);
  if (g.dtype == DType::f32) {
    ANX_CBLAS(sgemm)(CblasRowMajor, ta, tb, m, n, k, float(g.alpha), static_cast<const float*>(g.a),
                     int(g.lda), static_cast<const float*>(g.b), int(g.ldb), float(g.beta),
                     static_cast<float*>(g.c), int(g.ldc));
  } else {
    ANX_CBLAS(dgemm)(CblasRowMajor, ta, tb, m, n, k, g.alpha, static_cast<const double*>(g.a),
                     int(g.lda), static_cast<const double*>(g.b), int(g.ldb), g.beta,
                     static_cast<double*>(g.c), int(g.ldc));
  }
}

const char* blas_name() { return "OpenBLAS"; }

#else

void serial_gemm(const Gemm& g) {
  if (g.dtype == DType::bf16) return converted_gemm(g);
  (g.dtype == DType::f32 ? kernels().gemm_f32 : kernels().gemm_f64)(g);
}

const char* blas_name() { return "built-in"; }

#endif

namespace {

// Up to this number of rows, packing an operand costs more than it saves.
constexpr int64_t kDotMaxRows = 64, kBf16DotMaxRows = 8;

bool fits_dot(const Gemm& g) {
  const bool bf16 = g.dtype == DType::bf16 && bf16_kernels();
  return g.dtype != DType::f64 && !g.transpose_a && g.transpose_b &&
         g.m <= (bf16 ? kBf16DotMaxRows : kDotMaxRows) && g.alpha == 1 && g.beta == 0;
}

auto gemm_nt_for(DType dtype) {
  if (dtype == DType::f32) return kernels().gemm_nt;
  return bf16_kernels() ? bf16_kernels()->gemm_nt : kernels().bf16_gemm_nt;
}

// Packs A once and cuts the work along the columns, and also along the rows if there are few
// columns.
void parallel_gemm_packed(ThreadPool& pool, const Gemm& g) {
  const GemmKernels& kernel = kernels().gemm_packed;
  const int64_t tiles = kernel.tiles(g.m), slabs = (g.n + kernel.slab - 1) / kernel.slab;
  float* packed_a = scratch<float>(0, size_t(g.m * g.k));
  pool.parallel_for(tiles, [&](int64_t tile, int) { kernel.pack_a(g, tile, packed_a); });
  constexpr int64_t kFewSlabs = 16;
  const int64_t parts = std::clamp<int64_t>(kFewSlabs / slabs, 1, tiles);
  pool.parallel_for(slabs * parts, [&](int64_t item, int) {
    const int64_t part = item % parts;
    kernel.multiply(g, packed_a, item / parts, part * tiles / parts, (part + 1) * tiles / parts);
  });
}

}  // namespace

void parallel_gemm(ThreadPool& pool, const Gemm& g) {
  if (fits_dot(g)) {
    constexpr int64_t columns = 64;
    pool.parallel_for((g.n + columns - 1) / columns, [&](int64_t item, int) {
      gemm_nt_for(g.dtype)(g, item * columns, std::min(g.n, (item + 1) * columns));
    });
    return;
  }
  // Only the forward product: for the backward products, gemm_packed was slower than the BLAS as
  // often as it was faster.
  if (g.dtype == DType::f32 && !g.transpose_a && g.transpose_b)
    return parallel_gemm_packed(pool, g);
  if (g.dtype == DType::bf16 && bf16_kernels() && bf16_kernels()->gemm(g, pool)) return;
  // Few tiles, since the BLAS packs their common operand again for each tile.
  constexpr int64_t kFlopsPerTile = 16'000'000, kStep = 64, kMaxTiles = 16;
  const bool by_columns = g.n >= g.m;
  const int64_t side = by_columns ? g.n : g.m;
  const int64_t wanted = std::clamp<int64_t>(2 * g.m * g.n * g.k / kFlopsPerTile, 1, kMaxTiles);
  const int64_t tile = (side + wanted * kStep - 1) / (wanted * kStep) * kStep;
  const int64_t size = int64_t(size_of(g.dtype)), size_c = int64_t(size_of(compute_dtype(g.dtype)));
  pool.parallel_for((side + tile - 1) / tile, [&](int64_t item, int) {
    const int64_t first = item * tile, count = std::min(tile, side - first);
    Gemm part = g;
    if (by_columns) {
      part.n = count;
      part.b = static_cast<const char*>(g.b) + first * size * (g.transpose_b ? g.ldb : 1);
      part.c = static_cast<char*>(g.c) + first * size_c;
    } else {
      part.m = count;
      part.a = static_cast<const char*>(g.a) + first * size * (g.transpose_a ? 1 : g.lda);
      part.c = static_cast<char*>(g.c) + first * size_c * g.ldc;
    }
    serial_gemm(part);
  });
}

}  // namespace alexnet
