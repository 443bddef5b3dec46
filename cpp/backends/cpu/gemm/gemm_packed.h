// A matrix product in single precision with packed panels and a register tile of up to 14 rows
// times two vectors of columns. Included by kernels.cpp, once per instruction set.
//
// A is packed once, as [part of the depth][tile of rows][depth][rows of the tile]. C is cut into
// slabs of columns. For each slab and part of the depth, B is packed into panels of two vectors,
// and the next part is prefetched from memory. The order of each sum does not depend on how tiles
// and slabs are distributed over threads.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/cpu/device/scratch.h"
#include "backends/cpu/vector.h"
#include "core/device.h"

namespace alexnet {
namespace {

constexpr int64_t kGemmRows = kRegisters >= 32 ? 14 : 6;
constexpr int64_t kGemmPanel = 2 * kLanes;
constexpr int64_t kGemmSlab = 64;
constexpr int64_t kGemmDepth = 256;  // a panel and a tile's part of A fit into the L1 cache
static_assert(kGemmSlab % kGemmPanel == 0);

// Number of tiles that the rows of A are cut into, all of about the same height.
int64_t gemm_tiles(int64_t m) { return (m + kGemmRows - 1) / kGemmRows; }

// v[i][j] <-> v[j][i]
inline __attribute__((always_inline)) void transpose(Vec (&v)[kLanes]) {
  typedef int32_t Places __attribute__((vector_size(sizeof(Vec))));
#pragma GCC unroll 4
  for (int width = 1; width < kLanes; width *= 2) {
    Places low, high;
    for (int j = 0; j < kLanes; ++j) {
      low[j] = j & width ? kLanes + j - width : j;
      high[j] = j & width ? kLanes + j : j + width;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (i & width) continue;
      const Vec a = v[i], b = v[i + width];
      v[i] = __builtin_shuffle(a, b, low);
      v[i + width] = __builtin_shuffle(a, b, high);
    }
  }
}

// to[l][0 .. width) = column l of `width` rows; the rest, up to `panel`, is zero.
void pack_transposed(const float* from, int64_t ld, int64_t width, int64_t depth, float* to,
                     int64_t panel) {
  int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes) {
    const float* rows = from + j * ld;
    int64_t l = 0;
    for (; l + kLanes <= depth; l += kLanes) {
      Vec v[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) v[i] = load(rows + i * ld + l);
      transpose(v);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) store(to + (l + i) * panel + j, v[i]);
    }
    for (; l < depth; ++l)
      for (int i = 0; i < kLanes; ++i) to[l * panel + j + i] = rows[i * ld + l];
  }
  for (; j < panel; ++j)
    for (int64_t l = 0; l < depth; ++l) to[l * panel + j] = j < width ? from[j * ld + l] : 0.0f;
}

void pack_rows(const float* from, int64_t ld, int64_t width, int64_t depth, float* to,
               int64_t panel) {
  for (int64_t l = 0; l < depth; ++l) {
    if (width == kGemmPanel && panel == kGemmPanel) {
      store(to + l * kGemmPanel, load(from + l * ld));
      store(to + l * kGemmPanel + kLanes, load(from + l * ld + kLanes));
      continue;
    }
    std::copy_n(from + l * ld, width, to + l * panel);
    std::fill(to + l * panel + width, to + (l + 1) * panel, 0.0f);
  }
}

// Cache lines that a tile prefetches, one every four steps of the depth.
struct Ahead {
  const float* from = nullptr;
  int64_t ld = 0;
  int lines_log2 = 0;  // log2 of the number of lines per row
};
constexpr int64_t kAheadStep = 4;

// c[Q][2 vectors] = or += a[depth][Q]^T b[depth][2 vectors]
template <int Q>
void gemm_tile(int64_t depth, const float* a, const float* b, float* c, int64_t ldc, bool add,
               const Ahead& ahead) {
#pragma GCC unroll 16
  for (int q = 0; q < Q; ++q) {
    __builtin_prefetch(c + q * ldc, 1, 3);
    __builtin_prefetch(c + q * ldc + kLanes, 1, 3);
  }
  Vec sum[2][Q] = {};
  const auto turn = [&] {
    const Vec left = load(b), right = load(b + kLanes);
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
      const Vec value = broadcast(a[q]);
      sum[0][q] += left * value;
      sum[1][q] += right * value;
    }
    a += Q;
    b += kGemmPanel;
  };
  const int64_t mask = (int64_t(1) << ahead.lines_log2) - 1;
  int64_t l = 0;
  for (; l + kAheadStep <= depth; l += kAheadStep) {
    const int64_t line = l / kAheadStep;
    __builtin_prefetch(ahead.from + (line >> ahead.lines_log2) * ahead.ld + (line & mask) * 16, 0,
                       2);
#pragma GCC unroll 4
    for (int i = 0; i < kAheadStep; ++i) turn();
  }
  for (; l < depth; ++l) turn();
#pragma GCC unroll 16
  for (int q = 0; q < Q; ++q)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      float* to = c + q * ldc + v * kLanes;
      store(to, add ? load(to) + sum[v][q] : sum[v][q]);
    }
}

using GemmTile = void (*)(int64_t, const float*, const float*, float*, int64_t, bool, const Ahead&);

template <int... Q>
GemmTile pick_gemm_tile(int64_t rows, std::integer_sequence<int, Q...>) {
  static constexpr GemmTile table[] = {&gemm_tile<Q + 1>...};
  return table[rows - 1];
}

// Packs tile `tile` of A over its whole depth. `packed`: memory for all of A, m * k floats.
void gemm_pack_a(const Gemm& g, int64_t tile, float* packed) {
  const auto* a = static_cast<const float*>(g.a);
  const int64_t tiles = gemm_tiles(g.m), first = tile * g.m / tiles;
  const int64_t rows = (tile + 1) * g.m / tiles - first;
  for (int64_t l = 0; l < g.k; l += kGemmDepth) {
    const int64_t depth = std::min(kGemmDepth, g.k - l);
    float* to = packed + l * g.m + first * depth;
    if (g.transpose_a)
      pack_rows(a + l * g.lda + first, g.lda, rows, depth, to, rows);
    else
      pack_transposed(a + first * g.lda + l, g.lda, rows, depth, to, rows);
    if (g.alpha != 1)
      for (int64_t i = 0; i < rows * depth; ++i) to[i] *= float(g.alpha);
  }
}

// Computes the rows of tiles [first_tile, last_tile) in a slab of C. A must be packed.
void gemm_slab(const Gemm& g, const float* packed_a, int64_t slab, int64_t first_tile,
               int64_t last_tile) {
  constexpr auto sizes = std::make_integer_sequence<int, int(kGemmRows)>{};
  const auto* b = static_cast<const float*>(g.b);
  auto* c = static_cast<float*>(g.c);
  const int64_t first = slab * kGemmSlab, columns = std::min(kGemmSlab, g.n - first);
  const int64_t panels = (columns + kGemmPanel - 1) / kGemmPanel, tiles = gemm_tiles(g.m);
  float* packed = scratch<float>(3, size_t(kGemmSlab * kGemmDepth));
  if (g.beta != 0 && g.beta != 1)
    for (int64_t i = first_tile * g.m / tiles; i < last_tile * g.m / tiles; ++i)
      for (int64_t j = 0; j < columns; ++j) c[i * g.ldc + first + j] *= float(g.beta);

  for (int64_t l = 0; l < g.k; l += kGemmDepth) {
    const int64_t depth = std::min(kGemmDepth, g.k - l);
    const auto part = [&](int64_t at, int64_t column) {
      return b + (g.transpose_b ? column * g.ldb + at : at * g.ldb + column);
    };
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t width = std::min(kGemmPanel, columns - p * kGemmPanel);
      const auto pack = g.transpose_b ? &pack_transposed : &pack_rows;
      pack(part(l, first + p * kGemmPanel), g.ldb, width, depth,
           packed + p * kGemmPanel * kGemmDepth, kGemmPanel);
    }
    const bool more = l + depth < g.k, add = l > 0 || g.beta != 0;
    // Rows of the next part run along its depth if B is transposed, else along the slab's columns.
    const int lines_log2 = g.transpose_b ? 4 : 2;
    const int64_t rows_ahead = (depth / kAheadStep) >> lines_log2;
    Ahead ahead{more ? part(l + depth, first) : b, more ? g.ldb : 0, lines_log2};
    for (int64_t t = first_tile; t < last_tile; ++t) {
      const int64_t row = t * g.m / tiles, rows = (t + 1) * g.m / tiles - row;
      const float* a = packed_a + l * g.m + row * depth;
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t column = p * kGemmPanel, width = std::min(kGemmPanel, columns - column);
        const float* panel = packed + column * kGemmDepth;
        float* to = c + row * g.ldc + first + column;
        const auto tile = pick_gemm_tile(rows, sizes);
        if (width == kGemmPanel) {
          tile(depth, a, panel, to, g.ldc, add, ahead);
        } else {
          alignas(64) float edge[kGemmRows * kGemmPanel];
          tile(depth, a, panel, edge, kGemmPanel, false, ahead);
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < width; ++j)
              to[i * g.ldc + j] = edge[i * kGemmPanel + j] + (add ? to[i * g.ldc + j] : 0.0f);
        }
        ahead.from += rows_ahead * ahead.ld;
      }
    }
  }
}

// Computes the whole product on the calling thread.
void gemm_packed(const Gemm& g) {
  const int64_t tiles = gemm_tiles(g.m);
  float* packed_a = scratch<float>(2, size_t(g.m * g.k));
  for (int64_t t = 0; t < tiles; ++t) gemm_pack_a(g, t, packed_a);
  for (int64_t slab = 0; slab * kGemmSlab < g.n; ++slab) gemm_slab(g, packed_a, slab, 0, tiles);
}

}  // namespace
}  // namespace alexnet
