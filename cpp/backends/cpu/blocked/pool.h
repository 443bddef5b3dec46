// The maximum of a window (ops/max_pool.h) with a vector of channels as the element. kernels.cpp
// includes this file once per instruction set.
#pragma once

#include "backends/cpu/vector.h"
#include "core/shape.h"
#include "ops/max_pool.h"

namespace alexnet {
namespace {

// Window::position, repeated in every lane.
inline __attribute__((always_inline)) Vec position(const Window& window, int oy, int ox, int i,
                                                   int j) {
  return broadcast(float(window.position(oy, ox, i, j)));
}

// value(i, j): the vector of a pixel.
template <class F>
inline __attribute__((always_inline)) Maximum<Vec, Vec> max_of_window(const Window& window,
                                                                      const Shape& in, int oy,
                                                                      int ox, F&& value) {
  const Range rows = window.pixels(oy, in.h), cols = window.pixels(ox, in.w);
  Maximum<Vec, Vec> max{value(rows.first, cols.first),
                        position(window, oy, ox, rows.first, cols.first)};
  for (int i = rows.first; i < rows.last; ++i)
    for (int j = cols.first; j < cols.last; ++j)
      max.update(value(i, j), position(window, oy, ox, i, j));
  return max;
}

}  // namespace
}  // namespace alexnet
