// The products at the points, one small matrix product per point: m = v u for the output, and
// du += v^T d, summed over tiles, for the weight gradient. The register tiles are the same as in
// the direct convolution: up to 14 tiles (or 8 input channels) times two vectors of output
// channels.
#pragma once

#include <algorithm>
#include <utility>

#include "backends/cpu/vector.h"
#include "backends/cpu/winograd/shape.h"

namespace alexnet {
namespace {

constexpr int kTileRows = kRegisters >= 32 ? 14 : 6;  // tiles of the output held in registers
// Input channels of the gradient held in registers: a part of a vector.
constexpr int kSumRows = kRegisters >= 32 && kLanes >= 8 ? 8 : 4;
static_assert(kLanes % kSumRows == 0);
constexpr int kRun = 7;  // tiles per partial sum: short sums are more precise

// Q tiles times P vectors. Prefetches the weights of the next pair from `next`, one cache line per
// input channel.
template <int Q, int P>
void product_tile(int blocks, const float* v, int64_t v_block, const float* u, const float* next,
                  float* m, int64_t m_block) {
  constexpr int line = 16;
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) __builtin_prefetch(m + p * m_block + q * kLanes, 1, 2);
  Vec sum[P][Q] = {};
  for (int b = 0; b < blocks; ++b, v += v_block)
    for (int c = 0; c < kLanes; ++c, u += P * kLanes, next += line) {
      __builtin_prefetch(next, 0, 2);
      Vec weight[P];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) weight[p] = load(u + p * kLanes);
#pragma GCC unroll 16
      for (int q = 0; q < Q; ++q) {
        const Vec value = broadcast(v[q * kLanes + c]);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) sum[p][q] += weight[p] * value;
      }
    }
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) store(m + p * m_block + q * kLanes, sum[p][q]);
}

using ProductTile = void (*)(int, const float*, int64_t, const float*, const float*, float*,
                             int64_t);

template <int P, int... Q>
ProductTile pick_product_tile(int rows, std::integer_sequence<int, Q...>) {
  static constexpr ProductTile table[] = {&product_tile<Q + 1, P>...};
  return table[rows - 1];
}

// m = v u at one point, for some pairs of output blocks.
void winograd_multiply(const WinogradShape& s, int tiles, Interval pairs, const float* v,
                       const float* u, float* m) {
  constexpr auto sizes = std::make_integer_sequence<int, kTileRows>{};
  const int64_t block = int64_t(tiles) * kLanes;
  const int parts = (tiles + kTileRows - 1) / kTileRows;
  for (int pair = pairs.first; pair < pairs.last; ++pair) {
    const int width = std::min(2, s.out_blocks() - 2 * pair);
    const float* panel = u + int64_t(2 * pair) * s.in_c * kLanes;
    for (int part = 0; part < parts; ++part) {
      const int t = part * tiles / parts, rows = (part + 1) * tiles / parts - t;
      const auto tile =
          width == 2 ? pick_product_tile<2>(rows, sizes) : pick_product_tile<1>(rows, sizes);
      // The first two parts prefetch a panel of 2 x 16 floats per channel; later parts repeat it.
      const float* next = panel + int64_t(s.in_c) * (width * kLanes + std::min(part, 1) * 16);
      tile(s.in_blocks(), v + t * kLanes, block, panel, next, m + 2 * pair * block + t * kLanes,
           block);
    }
  }
}

template <int P>
void sum_tile(int tiles, const float* v, const float* d, int64_t d_block, bool add, float* du) {
#pragma GCC unroll 8
  for (int c = 0; c < kSumRows; ++c)
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) __builtin_prefetch(du + (c * P + p) * kLanes, 1, 3);
  Vec total[kSumRows][P];
  for (int first = 0; first < tiles; first += kRun) {
    Vec sum[kSumRows][P] = {};
    const int last = std::min(tiles, first + kRun);
    for (int t = first; t < last; ++t, v += kLanes, d += kLanes) {
      Vec grad[P];
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) grad[p] = load(d + p * d_block);
#pragma GCC unroll 8
      for (int c = 0; c < kSumRows; ++c) {
        const Vec value = broadcast(v[c]);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) sum[c][p] += grad[p] * value;
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < kSumRows; ++c)
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) total[c][p] = first ? total[c][p] + sum[c][p] : sum[c][p];
  }
#pragma GCC unroll 8
  for (int c = 0; c < kSumRows; ++c)
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) {
      float* to = du + (c * P + p) * kLanes;
      store(to, add ? load(to) + total[c][p] : total[c][p]);
    }
}

// du = v^T d at one point, or du += v^T d with `add`, for some blocks of input channels. v only
// holds these blocks.
void winograd_accumulate(const WinogradShape& s, int tiles, Interval blocks, const float* v,
                         const float* d, bool add, float* du) {
  const int64_t block = int64_t(tiles) * kLanes;
  for (int pair = 0; pair < s.pairs(); ++pair) {
    const int width = std::min(2, s.out_blocks() - 2 * pair);
    for (int c = blocks.first * kLanes; c < blocks.last * kLanes; c += kSumRows) {
      const int local = c - blocks.first * kLanes;
      const float* from = v + local / kLanes * block + local % kLanes;
      float* to = du + (int64_t(2 * pair) * s.in_c + int64_t(c) * width) * kLanes;
      const auto tile = width == 2 ? &sum_tile<2> : &sum_tile<1>;
      tile(tiles, from, d + 2 * pair * block, block, add, to);
    }
  }
}

}  // namespace
}  // namespace alexnet
