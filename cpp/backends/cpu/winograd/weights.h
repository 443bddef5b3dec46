// The transforms of the weights to the points, u = G w G^T, and of their gradients back,
// dw = G^T du G. They run once per call, in double and with a single rounding, so that they hardly
// add to the error.
//
// The weights at a point are a matrix [pair of output blocks][input channel][2 * lanes], in the
// order in which the products read it; if the number of blocks is odd, the last pair is half as
// wide.
#pragma once

#include <algorithm>
#include <type_traits>

#include "backends/cpu/vector.h"
#include "backends/cpu/winograd/points.h"
#include "backends/cpu/winograd/shape.h"

namespace alexnet {
namespace {

// Prefetch distance in floats. Each vector uses a separate cache line at every point: too many
// streams for hardware prefetchers.
constexpr int kAhead = 4 * kLanes;

typedef double WideVec __attribute__((vector_size(kLanes * sizeof(double))));

// Calls f(input channel, first output channel, offset in a point's matrix) for each vector of the
// pair.
template <class F>
void each_weight_vector(const WinogradShape& s, int pair, F&& f) {
  const int first = 2 * pair, count = std::min(2, s.out_blocks() - first);
  for (int v = 0; v < count; ++v)
    for (int c = 0; c < s.in_c; ++c)
      f(c, (first + v) * kLanes,
        (int64_t(first) * s.in_c + int64_t(c) * count + v) * int64_t(kLanes));
}

// `weights`: the weights of the group (output channel, input channel, taps). `transposed`: swap the
// channels and flip the taps, as backward_data needs them.
template <class W, Stored T>
void transform_weights(const WinogradShape& s, const void* weights, bool transposed, int pair,
                       float* u) {
  const auto* w = static_cast<const T*>(weights);
  constexpr int taps = W::kernel, side = W::side, area = taps * taps;
  const int64_t channel = transposed ? int64_t(s.out_c) * area : area;
  const int64_t lane = transposed ? area : int64_t(s.in_c) * area;
  each_weight_vector(s, pair, [&](int c, int o, int64_t offset) {
    const T* from = w + c * channel + o * lane;
    alignas(64) float tap[area][kLanes];
    for (int l = 0; l < kLanes; ++l)
#pragma GCC unroll 32
      for (int t = 0; t < area; ++t) tap[transposed ? area - 1 - t : t][l] = from[l * lane + t];
    WideVec part[side][taps];
#pragma GCC unroll 8
    for (int j = 0; j < taps; ++j) {
      WideVec column[taps], value[side];
#pragma GCC unroll 8
      for (int i = 0; i < taps; ++i)
        column[i] = __builtin_convertvector(load(tap[i * taps + j]), WideVec);
      W::template values<taps>(column, value);
#pragma GCC unroll 8
      for (int i = 0; i < side; ++i) part[i][j] = value[i] * W::scale(i);
    }
    for (int i = 0; i < side; ++i) {
      WideVec value[side];
      W::template values<taps>(part[i], value);
#pragma GCC unroll 8
      for (int j = 0; j < side; ++j) {
        float* to = u + (i * side + j) * s.weight_point() + offset;
        __builtin_prefetch(to + kAhead, 1);
        store(to, __builtin_convertvector(value[j] * W::scale(j), Vec));
      }
    }
  });
}

// dw += G^T (sum of the slices of du) G
template <class W>
void add_weight_gradient(const WinogradShape& s, const float* du, int slices, int64_t slice,
                         int pair, float* dw) {
  constexpr int taps = W::kernel, side = W::side, area = taps * taps;
  each_weight_vector(s, pair, [&](int c, int o, int64_t offset) {
    WideVec part[taps][side];
    for (int j = 0; j < side; ++j) {
      WideVec value[side], sums[taps];
#pragma GCC unroll 8
      for (int i = 0; i < side; ++i) {
        const float* from = du + (i * side + j) * s.weight_point() + offset;
        __builtin_prefetch(from + kAhead);
        value[i] = __builtin_convertvector(load(from), WideVec);
        for (int k = 1; k < slices; ++k) {
          __builtin_prefetch(from + k * slice + kAhead);
          value[i] += __builtin_convertvector(load(from + k * slice), WideVec);
        }
        value[i] *= W::scale(i);
      }
      W::template moments<taps>(value, sums);
#pragma GCC unroll 8
      for (int i = 0; i < taps; ++i) part[i][j] = sums[i] * W::scale(j);
    }
    alignas(64) float tap[area][kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < taps; ++i) {
      WideVec sums[taps];
      W::template moments<taps>(part[i], sums);
#pragma GCC unroll 8
      for (int j = 0; j < taps; ++j)
        store(tap[i * taps + j], __builtin_convertvector(sums[j], Vec));
    }
    float* to = dw + (int64_t(o) * s.in_c + c) * area;
    for (int l = 0; l < kLanes; ++l)
#pragma GCC unroll 32
      for (int t = 0; t < area; ++t) to[l * int64_t(s.in_c) * area + t] += tap[t][l];
  });
}

}  // namespace
}  // namespace alexnet
