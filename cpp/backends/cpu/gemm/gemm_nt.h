// C = A B^T in single precision, for float or bf16 operands with contiguous rows: the forward pass
// of dense layers. Nothing is packed. B, the weights, is read once, at full memory bandwidth for
// small batches. Included once per instruction set.
#pragma once

#include <algorithm>
#include <utility>

#include "backends/cpu/terms.h"
#include "backends/cpu/vector.h"
#include "core/device.h"

namespace alexnet {
namespace {

constexpr int kDotRows = kRegisters >= 32 ? 6 : 3;     // rows of A per tile
constexpr int kDotColumns = kRegisters >= 32 ? 4 : 3;  // rows of B per tile
constexpr int64_t kDotDepth = 1024;                    // this much of A's rows fits into the cache

// Lane i of the result is the sum of the lanes of v[i], added pairwise in a fixed order.
inline __attribute__((always_inline)) Vec sums_of_lanes(Vec (&v)[kLanes]) {
  typedef int32_t Places __attribute__((vector_size(sizeof(Vec))));
#pragma GCC unroll 4
  for (int width = 1; width < kLanes; width *= 2) {
    Places even, odd;
    for (int j = 0; j < kLanes; ++j) {
      const int from = j & width ? kLanes : 0, place = j & ~width;
      even[j] = from + place, odd[j] = from + place + width;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i += 2 * width)
      v[i] =
          __builtin_shuffle(v[i], v[i + width], even) + __builtin_shuffle(v[i], v[i + width], odd);
  }
  return v[0];
}

// c[R][N] = or += a[R][depth] b[N][depth]^T; depth is a multiple of Terms::width * kLanes. With one
// row, which is limited by memory bandwidth, the next rows of B are prefetched.
template <class Terms, int R, int N>
void dot_tile(int64_t depth, const typename Terms::Value* a, int64_t lda,
              const typename Terms::Value* b, int64_t ldb, float* c, int64_t ldc, bool add) {
  Vec sum[R][N] = {};
  for (int64_t l = 0; l < depth; l += Terms::width * kLanes) {
    decltype(Terms::values(b)) column[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      column[j] = Terms::values(b + j * ldb + l);
      if (R == 1) __builtin_prefetch(b + (j + N) * ldb + l, 0, 2);
    }
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const auto row = Terms::values(a + i * lda + l);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sum[i][j] = Terms::add(sum[i][j], row, column[j]);
    }
  }
  constexpr int groups = (R * N + kLanes - 1) / kLanes;
  alignas(sizeof(Vec)) float total[groups * kLanes];
#pragma GCC unroll 8
  for (int t = 0; t < groups; ++t) {
    Vec part[kLanes] = {};
#pragma GCC unroll 16
    for (int e = 0; e < kLanes; ++e)
      if (const int i = t * kLanes + e; i < R * N) part[e] = sum[i / N][i % N];
    store(total + t * kLanes, sums_of_lanes(part));
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      float& out = c[i * ldc + j];
      out = add ? out + total[i * N + j] : total[i * N + j];
    }
}

template <class Terms>
using DotTile = decltype(&dot_tile<Terms, 1, 1>);

template <class Terms, int... I>
DotTile<Terms> pick_dot_tile(int64_t rows, int64_t columns, std::integer_sequence<int, I...>) {
  static constexpr DotTile<Terms> table[] = {
      &dot_tile<Terms, I / kDotColumns + 1, I % kDotColumns + 1>...};
  return table[(rows - 1) * kDotColumns + columns - 1];
}

// Computes columns [first, last) of C.
template <class Terms>
void gemm_nt(const Gemm& g, int64_t first, int64_t last) {
  using Value = typename Terms::Value;
  constexpr auto tiles = std::make_integer_sequence<int, kDotRows * kDotColumns>{};
  const auto* a = static_cast<const Value*>(g.a);
  const auto* b = static_cast<const Value*>(g.b);
  auto* c = static_cast<float*>(g.c);
  constexpr int64_t vector = Terms::width * kLanes;
  const int64_t even = g.k / vector * vector, parts = (g.m + kDotRows - 1) / kDotRows;
  const int64_t step = parts == 1 ? even : kDotDepth;
  for (int64_t l = 0; l < even; l += step) {
    const int64_t depth = std::min(step, even - l);
    for (int64_t j = first; j < last; j += kDotColumns) {
      const int64_t columns = std::min<int64_t>(kDotColumns, last - j);
      for (int64_t t = 0; t < parts; ++t) {
        const int64_t i = t * g.m / parts, rows = (t + 1) * g.m / parts - i;
        pick_dot_tile<Terms>(rows, columns, tiles)(depth, a + i * g.lda + l, g.lda,
                                                   b + j * g.ldb + l, g.ldb, c + i * g.ldc + j,
                                                   g.ldc, l > 0);
      }
    }
  }
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = first; j < last; ++j) {
      float& out = c[i * g.ldc + j];
      if (even == 0) out = 0;
      for (int64_t l = even; l < g.k; ++l) out += float(a[i * g.lda + l]) * float(b[j * g.ldb + l]);
    }
}

}  // namespace
}  // namespace alexnet
