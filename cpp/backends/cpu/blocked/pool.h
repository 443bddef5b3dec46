// The maximum of a window (ops/max_pool.h) with a vector of channels as the element. Included by
// kernels.cpp, once per instruction set.
#pragma once

#include "backends/cpu/vector.h"
#include "core/shape.h"
#include "ops/window.h"

namespace alexnet {
namespace {

// Where in window (oy, ox) the pixel (i, j) is.
inline __attribute__((always_inline)) int place_in(const Window& window, int oy, int ox, int i,
                                                   int j) {
  return (i - window.start(oy)) * window.size + j - window.start(ox);
}

struct PooledMax {
  Vec value, place;
};

// value(i, j): a pixel's vector. Of equal ones the first is taken, of NaN the last.
template <class F>
inline __attribute__((always_inline)) PooledMax max_of_window(const Window& window, const Shape& in,
                                                              int oy, int ox, F&& value) {
  const Range rows = window.pixels(oy, in.h), cols = window.pixels(ox, in.w);
  PooledMax max{value(rows.first, cols.first),
                broadcast(float(place_in(window, oy, ox, rows.first, cols.first)))};
  for (int i = rows.first; i < rows.last; ++i)
    for (int j = cols.first; j < cols.last; ++j) {
      const Vec v = value(i, j);
      const auto take = (v > max.value) | (v != v);
      max.value = take ? v : max.value;
      max.place = take ? broadcast(float(place_in(window, oy, ox, i, j))) : max.place;
    }
  return max;
}

}  // namespace
}  // namespace alexnet
