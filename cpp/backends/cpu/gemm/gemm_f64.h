// A matrix product in double precision for builds without a BLAS, with packed panels and a register
// tile, which the compiler vectorises for the instruction set that this file is compiled for.
#pragma once

#include <algorithm>

#include "backends/cpu/device/scratch.h"
#include "core/device.h"

namespace alexnet {
namespace {

template <class T>
void gemm_f64(const Gemm& g) {
  constexpr int64_t mr = 6, nr = 32, kc = 256;
  const auto* a = static_cast<const T*>(g.a);
  const auto* b = static_cast<const T*>(g.b);
  auto* c = static_cast<T*>(g.c);
  const T alpha = T(g.alpha), beta = T(g.beta);
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j)
      c[i * g.ldc + j] = beta == T(0) ? T(0) : beta * c[i * g.ldc + j];

  T* packed_a = scratch<T>(2, size_t((g.m + mr - 1) / mr * mr * kc));
  T* packed_b = scratch<T>(3, size_t(nr * kc));
  for (int64_t k0 = 0; k0 < g.k; k0 += kc) {
    const int64_t depth = std::min(kc, g.k - k0);
    for (int64_t i0 = 0; i0 < g.m; i0 += mr)
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t i = i0; i < i0 + mr; ++i)
          packed_a[i0 * depth + k * mr + i - i0] =
              i >= g.m ? T(0) : (g.transpose_a ? a[(k0 + k) * g.lda + i] : a[i * g.lda + k0 + k]);
    for (int64_t j0 = 0; j0 < g.n; j0 += nr) {
      const int64_t width = std::min(nr, g.n - j0);
      for (int64_t k = 0; k < depth; ++k)
        for (int64_t j = 0; j < nr; ++j)
          packed_b[k * nr + j] = j >= width ? T(0)
                                            : (g.transpose_b ? b[(j0 + j) * g.ldb + k0 + k]
                                                             : b[(k0 + k) * g.ldb + j0 + j]);
      for (int64_t i0 = 0; i0 < g.m; i0 += mr) {
        T tile[mr][nr] = {};
        const T* pa = packed_a + i0 * depth;
        const T* pb = packed_b;
        for (int64_t k = 0; k < depth; ++k)
          for (int64_t i = 0; i < mr; ++i)
            for (int64_t j = 0; j < nr; ++j) tile[i][j] += pa[k * mr + i] * pb[k * nr + j];
        const int64_t height = std::min(mr, g.m - i0);
        for (int64_t i = 0; i < height; ++i)
          for (int64_t j = 0; j < width; ++j) c[(i0 + i) * g.ldc + j0 + j] += alpha * tile[i][j];
      }
    }
  }
}

}  // namespace
}  // namespace alexnet
