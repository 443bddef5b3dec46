// Dropout (ops/dropout.h) that draws each Philox block once for its four elements and computes many
// blocks in parallel. Included by kernels.cpp, once per instruction set.
#pragma once

#include <algorithm>

#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/vector.h"
#include "ops/dropout.h"

namespace alexnet {
namespace {

// Draws the random bits of elements 4 block .. 4 (block + kPhiloxBlocks) - 1.
constexpr int kPhiloxBlocks = 16;
inline void draw(const RandomSite& site, uint64_t step, uint64_t block, uint32_t* bits) {
  uint32_t word[4][kPhiloxBlocks];
  for (int j = 0; j < kPhiloxBlocks; ++j) {
    const Philox4 four = site.four(step, block + uint64_t(j));
    for (int i = 0; i < 4; ++i) word[i][j] = four.v[i];
  }
  for (int j = 0; j < kPhiloxBlocks; ++j)
    for (int i = 0; i < 4; ++i) bits[4 * j + i] = word[i][j];
}

template <class T>
bool launch_special(const Dropout<T>& op, ThreadPool& pool) {
  constexpr int64_t chunk = 4 * kPhiloxBlocks;
  const Dropout<T> local = op;
  pool.parallel_for(op.x.shape.n, [local](int64_t n, int) {
    const int64_t count = local.x.shape.per_image(), first = local.first_element(n);
    const T* x = local.x.data + n * count;
    T* y = local.y.data + n * count;
    uint32_t bits[chunk];
    for (int64_t from = first / 4 * 4; from < first + count; from += chunk) {
      draw(local.site, local.step, uint64_t(from / 4), bits);
      const int64_t begin = std::max(from, first), end = std::min(from + chunk, first + count);
      if constexpr (std::is_same_v<T, bf16>)
        if (end - begin == chunk) {
          float values[chunk];  // rounded to bf16 by vector stores below
          for (int64_t i = 0; i < chunk; ++i)
            values[i] = local.value(x[begin - first + i], bits[i]);
          for (int64_t i = 0; i < chunk; i += kLanes)
            store(y + begin - first + i, load(values + i));
          continue;
        }
      for (int64_t e = begin; e < end; ++e)
        y[e - first] = local.value(x[e - first], bits[e - from]);
    }
  });
  return true;
}

}  // namespace
}  // namespace alexnet
