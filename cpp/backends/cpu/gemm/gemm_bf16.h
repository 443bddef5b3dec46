// Matrix products of bf16 numbers with the dot product instruction of AVX512-BF16; C is float:
//
//   C = A B^T       output of a dense layer
//   C = A B         gradient with respect to its input
//   C += A^T B      gradient with respect to its weights
//
// A tile holds Q rows times P vectors of columns in registers. It broadcasts pairs of the inner
// dimension directly from the rows; the other operand is first packed into panels
// [pair][P * kLanes][2]. For A B^T the rows are those of B, the larger operand, and the tile is the
// transpose of C. Included by kernels_bf16.cpp.
#pragma once

#include <algorithm>
#include <utility>

#include "backends/cpu/device/scratch.h"
#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/terms_bf16.h"
#include "core/device.h"

namespace alexnet {
namespace {

constexpr int kGemmRows = 14, kGemmVectors = 2;
constexpr int64_t kPanel = kGemmVectors * kLanes;  // columns

// sum += rows[Q][2 * pairs] times a panel. Prefetches the next cache lines of the rows.
template <int Q>
inline __attribute__((always_inline)) void multiply_pairs(int64_t pairs, const bf16* rows,
                                                          int64_t ld, const bf16* panel,
                                                          Vec (&sum)[Q][kGemmVectors]) {
  constexpr int64_t line = 16, ahead = 2 * 4 * line;
  for (int64_t first = 0; first < pairs; first += line) {
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) __builtin_prefetch(rows + q * ld + 2 * first + ahead);
    const int64_t last = std::min(pairs, first + line);
    for (int64_t l = first; l < last; ++l, panel += 2 * kPanel) {
      __m512bh column[kGemmVectors];
#pragma GCC unroll 2
      for (int p = 0; p < kGemmVectors; ++p) column[p] = load_pairs(panel + p * 2 * kLanes);
#pragma GCC unroll 16
      for (int q = 0; q < Q; ++q) {
        const __m512bh row = broadcast_pair(rows + q * ld + 2 * l);
#pragma GCC unroll 2
        for (int p = 0; p < kGemmVectors; ++p) sum[q][p] = add_products(sum[q][p], column[p], row);
      }
    }
  }
}

// c[Q][columns] = or += rows * panel
template <int Q>
void tile_of_rows(int64_t pairs, const bf16* rows, int64_t ld, const bf16* panel, float* c,
                  int64_t ldc, int64_t columns, bool add) {
#pragma GCC unroll 16
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 2
    for (int p = 0; p < kGemmVectors; ++p) __builtin_prefetch(c + q * ldc + p * kLanes, 1);
  Vec sum[Q][kGemmVectors] = {};
  multiply_pairs<Q>(pairs, rows, ld, panel, sum);
  const bool whole = columns == kPanel;
#pragma GCC unroll 16
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 2
    for (int p = 0; p < kGemmVectors; ++p) {
      float* to = c + q * ldc + p * kLanes;
      if (whole) {
        store(to, add ? load(to) + sum[q][p] : sum[q][p]);
      } else {
        for (int i = 0; i < std::min<int64_t>(kLanes, columns - p * kLanes); ++i)
          to[i] = add ? to[i] + sum[q][p][i] : sum[q][p][i];
      }
    }
}

// c[columns][Q] = or += (rows * panel)^T
template <int Q>
void tile_of_columns(int64_t pairs, const bf16* rows, int64_t ld, const bf16* panel, float* c,
                     int64_t ldc, int64_t columns, bool add) {
  Vec sum[Q][kGemmVectors] = {};
  multiply_pairs<Q>(pairs, rows, ld, panel, sum);
  alignas(64) float out[Q][kPanel];
#pragma GCC unroll 16
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 2
    for (int p = 0; p < kGemmVectors; ++p) store(out[q] + p * kLanes, sum[q][p]);
  for (int64_t i = 0; i < columns; ++i)
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) c[i * ldc + q] = add ? c[i * ldc + q] + out[q][i] : out[q][i];
}

using GemmTile = decltype(&tile_of_rows<1>);

template <bool by_columns, int... Q>
GemmTile pick_gemm_tile(int64_t rows, std::integer_sequence<int, Q...>) {
  static constexpr GemmTile table[] = {by_columns ? &tile_of_columns<Q + 1>
                                                  : &tile_of_rows<Q + 1>...};
  return table[rows - 1];
}

// Calls f(tile, first row) for `rows` rows, cut into tiles of about the same height.
template <bool by_columns, class F>
void each_tile(int64_t rows, F&& f) {
  constexpr auto sizes = std::make_integer_sequence<int, kGemmRows>{};
  const int64_t parts = (rows + kGemmRows - 1) / kGemmRows;
  for (int64_t t = 0; t < parts; ++t) {
    const int64_t first = t * rows / parts, last = (t + 1) * rows / parts;
    f(pick_gemm_tile<by_columns>(last - first, sizes), first);
  }
}

// Packs a panel from a matrix whose rows are the inner dimension: lane j of pair l is
// (from[2l][j], from[2l + 1][j]).
void pack_panel(const bf16* from, int64_t ld, int64_t depth, int64_t columns, bf16* to) {
  constexpr int64_t ahead = 24;  // in rows, which are too far apart for hardware prefetchers
  for (int64_t l = 0; l < depth; l += 2, from += 2 * ld, to += 2 * kPanel) {
    __builtin_prefetch(from + ahead * ld);
    __builtin_prefetch(from + (ahead + 1) * ld);
    const bool pair = l + 1 < depth;
    if (columns == kPanel) {
      for (int p = 0; p < kGemmVectors; ++p)
        store_pairs(to + p * 2 * kLanes,
                    interleaved(from + p * kLanes, pair ? from + ld + p * kLanes : nullptr));
    } else {
      for (int64_t j = 0; j < kPanel; ++j) {
        to[2 * j] = j < columns ? from[j] : bf16(0.0f);
        to[2 * j + 1] = j < columns && pair ? from[ld + j] : bf16(0.0f);
      }
    }
  }
}

// The same from a matrix whose columns are the inner dimension, so that pairs are adjacent. `depth`
// must be even.
void pack_panel_of_rows(const bf16* from, int64_t ld, int64_t depth, int64_t rows, bf16* to) {
  constexpr int64_t run = 2 * kLanes;  // one cache line of each row
  for (int64_t first = 0; first < depth; first += run)
    for (int64_t j = 0; j < kPanel; ++j)
      for (int64_t l = first; l < std::min(depth, first + run); l += 2) {
        bf16* pair = to + l * kPanel + 2 * j;
        if (j < rows)
          std::memcpy(pair, from + j * ld + l, 2 * sizeof(bf16));
        else
          pair[0] = pair[1] = bf16(0.0f);
      }
}

int64_t panels_of(int64_t columns) { return (columns + kPanel - 1) / kPanel; }

// C = A B^T.
void gemm_of_rows(const Gemm& g, ThreadPool& pool) {
  constexpr int64_t rows = 4 * kGemmRows;  // rows of B per item, reused for all of A
  constexpr int64_t depth = 2048;          // this much of them fits into the L2 cache
  const auto *a = static_cast<const bf16*>(g.a), *b = static_cast<const bf16*>(g.b);
  auto* c = static_cast<float*>(g.c);
  bf16* panels = scratch<bf16>(2, size_t(panels_of(g.m) * kPanel * g.k));
  pool.parallel_for(panels_of(g.m), [&](int64_t i, int) {
    pack_panel_of_rows(a + i * kPanel * g.lda, g.lda, g.k, std::min(kPanel, g.m - i * kPanel),
                       panels + i * kPanel * g.k);
  });
  pool.parallel_for((g.n + rows - 1) / rows, [&](int64_t item, int) {
    const int64_t begin = item * rows, count = std::min(rows, g.n - begin);
    for (int64_t l = 0; l < g.k; l += depth)
      for (int64_t i = 0; i < panels_of(g.m); ++i)
        each_tile<true>(count, [&](GemmTile tile, int64_t first) {
          tile(std::min(depth, g.k - l) / 2, b + (begin + first) * g.ldb + l, g.ldb,
               panels + i * kPanel * g.k + l * kPanel, c + i * kPanel * g.ldc + begin + first,
               g.ldc, std::min(kPanel, g.m - i * kPanel), l > 0);
        });
  });
}

// C = A B.
void gemm_of_columns(const Gemm& g, ThreadPool& pool) {
  constexpr int64_t panels = 4;    // panels of B per item
  constexpr int64_t depth = 1024;  // this much of them fits into the L2 cache
  const auto *a = static_cast<const bf16*>(g.a), *b = static_cast<const bf16*>(g.b);
  auto* c = static_cast<float*>(g.c);
  pool.parallel_for((panels_of(g.n) + panels - 1) / panels, [&](int64_t item, int) {
    bf16* packed = scratch<bf16>(3, size_t(panels * kPanel * depth));
    const int64_t first = item * panels, last = std::min(panels_of(g.n), first + panels);
    for (int64_t l = 0; l < g.k; l += depth) {
      const int64_t count = std::min(depth, g.k - l);
      for (int64_t j = first; j < last; ++j)
        pack_panel(b + l * g.ldb + j * kPanel, g.ldb, count, std::min(kPanel, g.n - j * kPanel),
                   packed + (j - first) * kPanel * depth);
      each_tile<false>(g.m, [&](GemmTile tile, int64_t row) {
        for (int64_t j = first; j < last; ++j)
          tile(count / 2, a + row * g.lda + l, g.lda, packed + (j - first) * kPanel * depth,
               c + row * g.ldc + j * kPanel, g.ldc, std::min(kPanel, g.n - j * kPanel), l > 0);
      });
    }
  });
}

// C += A^T B.
void gemm_of_sums(const Gemm& g, ThreadPool& pool) {
  constexpr int64_t rows = 8 * kGemmRows;  // rows of C per item
  const auto *a = static_cast<const bf16*>(g.a), *b = static_cast<const bf16*>(g.b);
  auto* c = static_cast<float*>(g.c);
  const int64_t depth = (g.k + 1) / 2 * 2, panel_size = kPanel * depth;
  bf16* panels = scratch<bf16>(2, size_t(panels_of(g.n) * panel_size));
  pool.parallel_for(panels_of(g.n), [&](int64_t j, int) {
    pack_panel(b + j * kPanel, g.ldb, g.k, std::min(kPanel, g.n - j * kPanel),
               panels + j * panel_size);
  });
  pool.parallel_for((g.m + rows - 1) / rows, [&](int64_t item, int) {
    const int64_t begin = item * rows, count = std::min(rows, g.m - begin);
    bf16* turned = scratch<bf16>(3, size_t(rows * depth));  // part of A^T, with adjacent pairs
    for (int64_t l = 0; l < depth; ++l)
      for (int64_t i = 0; i < count; ++i)
        turned[i * depth + l] = l < g.k ? a[l * g.lda + begin + i] : bf16(0.0f);
    for (int64_t j = 0; j < panels_of(g.n); ++j)
      each_tile<false>(count, [&](GemmTile tile, int64_t first) {
        tile(depth / 2, turned + first * depth, depth, panels + j * panel_size,
             c + (begin + first) * g.ldc + j * kPanel, g.ldc, std::min(kPanel, g.n - j * kPanel),
             true);
      });
  });
}

// Returns false for products that dense layers do not use, and if the inner dimension of rows that
// are read in pairs is odd.
bool gemm_bf16(const Gemm& g, ThreadPool& pool) {
  if (g.alpha != 1) return false;
  const bool even = g.k % 2 == 0;
  if (!g.transpose_a && g.transpose_b && g.beta == 0 && even)
    gemm_of_rows(g, pool);
  else if (!g.transpose_a && !g.transpose_b && g.beta == 0 && even)
    gemm_of_columns(g, pool);
  else if (g.transpose_a && !g.transpose_b && g.beta == 1)
    gemm_of_sums(g, pool);
  else
    return false;
  return true;
}

}  // namespace
}  // namespace alexnet
