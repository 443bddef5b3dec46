// Max pooling over windows clipped to the image (Krizhevsky et al. 2012, section 3.4).
//
//   y[o] = max_{p in W(o)} x[p]      dx[p] = sum_{o: argmax W(o) = p} dy[o]
//
// Among equal maxima the argmax is the first in row-major order; a NaN counts as the maximum.
//
// A fused ReLU is applied after the maximum, to fewer values: max relu(x) = relu(max x). If the
// maximum is not positive, argmax is -1, so the backward pass reads neither x nor y.
#pragma once

#include "ops/activation.h"
#include "ops/op.h"
#include "ops/window.h"

namespace alexnet {

// The running maximum of a window and its position. V is a scalar with an int position, or a vector
// of channels with a vector of positions.
template <class V, class At>
struct Maximum {
  V value;
  At argmax;

  // Among equal values the first is kept. A NaN replaces any value; only another NaN replaces it.
  ANX_HD void update(V v, At at) {
    const auto take = (v > value) | (v != v);
    value = take ? v : value;
    argmax = take ? at : argmax;
  }
  // For a ReLU after it: sets the position to -1 if the maximum is not positive.
  ANX_HD void drop_unless_positive() { argmax = value > V{} ? argmax : At{} - 1; }
};

// The gradient that a window passes to its pixel at position `at`.
template <class V, class At>
ANX_HD V max_pool_gradient(V dy, At argmax, At at) {
  return argmax == at ? dy : V{};
}

// row = image, channel and output row; col = output column.
template <class T>
struct MaxPoolForward {
  static constexpr const char* name = "max_pool_forward";
  using C = Compute<T>;
  Window window;
  bool relu = false;
  View<const T> x;
  View<T> y;
  View<C> argmax;  // for the backward pass: the maximum's position (Window::position), or -1 where
                   // the fused ReLU is 0

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(argmax);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int oy = int(row % y.shape.h), ox = int(col), w = x.shape.w;
    const Range rows = window.pixels(oy, x.shape.h), cols = window.pixels(ox, w);
    const T* plane = x.plane(row / y.shape.h);
    Maximum<C, int> max{plane[Index(rows.first) * w + cols.first],
                        window.position(oy, ox, rows.first, cols.first)};
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j)
        max.update(plane[Index(i) * w + j], window.position(oy, ox, i, j));
    if (relu) {
      max.drop_unless_positive();
      max.value = Relu<T>{}.value(max.value);
    }
    y[row * y.shape.w + col] = max.value;
    argmax[row * y.shape.w + col] = C(max.argmax);
  }
};

// Adds dy to the pixel of each argmax, the only one where max_pool_gradient is not 0. Windows that
// run in parallel do not overlap, so there are no races.
template <class T>
struct MaxPoolBackward {
  static constexpr const char* name = "max_pool_backward";
  using C = Compute<T>;
  Window window;
  View<const C> argmax;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(argmax), f(dy), f(dx);
  }
  Grid grid() const { return planes(dx); }

  template <class Index, class Team>
  ANX_HD void operator()(Index plane, const Team& team) const {
    const int w = dx.shape.w, ow = dy.shape.w;
    const C* from = argmax.plane(plane);
    const T* grad = dy.plane(plane);
    T* to = dx.plane(plane);
    team.each(dx.shape.plane(), [&](Index i) { to[i] = 0; });
    each_window(team, window, dy.shape.h, ow, [&](int p, int q) {
      const Index o = Index(p) * ow + q;
      if (from[o] < 0) return;
      const Pixel at = window.pixel(p, q, int(from[o]));
      add_to(to[Index(at.row) * w + at.col], C(grad[o]));
    });
  }
};

}  // namespace alexnet
