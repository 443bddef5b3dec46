// The loops of peak_rates.cpp that are compiled per instruction set: one that only multiplies and
// adds, one that only reads.
#pragma once

#include "backends/cpu/vector.h"

namespace alexnet {
namespace {

// Number of independent sums: enough to hide the latency of multiply-adds; with the two operands
// they fit into the registers.
constexpr int kSums = kRegisters - 4;

// kSums * kLanes multiply-adds per turn.
inline float multiply_add_loop(int64_t turns) {
  Vec sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = broadcast(0.5f + float(i));
  const Vec a = broadcast(0.999f), b = broadcast(0.001f);
  for (int64_t turn = 0; turn < turns; ++turn)
#pragma GCC unroll 32
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * a + b;
  Vec total{};
  for (int i = 0; i < kSums; ++i) total += sums[i];
  float result = 0;
  for (int lane = 0; lane < kLanes; ++lane) result += total[lane];
  return result;
}

// `count` is a multiple of 4 * kLanes. Reads four streams, which suits hardware prefetchers.
inline float read_loop(const float* data, int64_t count) {
  Vec sums[4] = {};
  const int64_t quarter = count / 4;
  for (int64_t i = 0; i < quarter; i += kLanes)
    for (int k = 0; k < 4; ++k) sums[k] += load(data + k * quarter + i);
  const Vec total = sums[0] + sums[1] + sums[2] + sums[3];
  float result = 0;
  for (int lane = 0; lane < kLanes; ++lane) result += total[lane];
  return result;
}

}  // namespace
}  // namespace alexnet
