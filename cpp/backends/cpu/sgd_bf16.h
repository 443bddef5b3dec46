// The update of weights that have a bf16 shadow (ops/sgd.h): first the formula on a chunk of
// floats, then, while the chunk is in the L1 cache, the shadow with vector stores. Included by
// kernels.cpp, once per instruction set.
#pragma once

#include <algorithm>

#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/vector.h"
#include "ops/sgd.h"

namespace alexnet {
namespace {

bool launch_special(const SgdUpdate<bf16>& op, ThreadPool& pool) {
  constexpr int64_t chunk = 2048;
  const int64_t total = op.w.shape.count();
  pool.parallel_for((total + chunk - 1) / chunk, [&](int64_t item, int) {
    const SgdUpdate<float> update{op.rates, op.w, op.v, op.g, {}};
    bf16* const shadow = op.shadow.data;
    const float* const w = op.w.data;
    const int64_t first = item * chunk, last = std::min(total, first + chunk);
#pragma GCC ivdep
    for (int64_t i = first; i < last; ++i) update(int64_t(0), i);
    int64_t i = first;
    for (; i + kLanes <= last; i += kLanes) store(shadow + i, load(w + i));
    for (; i < last; ++i) shadow[i] = w[i];
  });
  return true;
}

}  // namespace
}  // namespace alexnet
