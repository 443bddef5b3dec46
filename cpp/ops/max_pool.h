// Max pooling over windows clipped to the image (Krizhevsky et al. 2012, section 3.4).
//
//   y[o] = max_{p in W(o)} x[p]      dx[p] = sum_{o: argmax W(o) = p} dy[o]
//
// Of equal maxima the first in row-major order is the argmax; a NaN in the window is its maximum.
//
// A ReLU before the maximum is the same after it, on fewer values: max relu(x) = relu(max x). Where
// the maximum is not positive there is then no argmax, so that backward needs neither x nor y.
#pragma once

#include "ops/activation.h"
#include "ops/op.h"
#include "ops/window.h"

namespace alexnet {

// row = image, channel and output row; col = output column.
template <class T>
struct MaxPoolForward {
  static constexpr const char* name = "max_pool_forward";
  using C = Compute<T>;
  Window window;
  bool relu = false;
  View<const T> x;
  View<T> y;
  View<C> tap;  // for the backward pass: where in its window the maximum is, row * size + column,
                // or -1 where its ReLU passes nothing on

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(tap);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int oy = int(row % y.shape.h), ox = int(col), w = x.shape.w;
    const Range rows = window.pixels(oy, x.shape.h), cols = window.pixels(ox, w);
    const T* plane = x.plane(row / y.shape.h);
    C best = plane[Index(rows.first) * w + cols.first];
    int place = (rows.first - window.start(oy)) * window.size + cols.first - window.start(ox);
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) {
        const C v = plane[Index(i) * w + j];
        const bool take = v > best || v != v;
        best = take ? v : best;
        place = take ? (i - window.start(oy)) * window.size + j - window.start(ox) : place;
      }
    if (relu) {
      if (!(best > 0)) place = -1;
      best = Relu<T>{}.value(best);
    }
    y[row * y.shape.w + col] = best;
    tap[row * y.shape.w + col] = C(place);
  }
};

// Scatters, without races: windows that run at the same time do not overlap.
template <class T>
struct MaxPoolBackward {
  static constexpr const char* name = "max_pool_backward";
  using C = Compute<T>;
  Window window;
  View<const C> tap;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(tap), f(dy), f(dx);
  }
  Grid grid() const { return planes(dx); }

  template <class Index, class Team>
  ANX_HD void operator()(Index plane, const Team& team) const {
    const int w = dx.shape.w, ow = dy.shape.w;
    const C* from = tap.plane(plane);
    const T* grad = dy.plane(plane);
    T* to = dx.plane(plane);
    team.each(dx.shape.plane(), [&](Index i) { to[i] = 0; });
    each_window(team, window, dy.shape.h, ow, [&](int p, int q) {
      const Index o = Index(p) * ow + q;
      const int place = int(from[o]), i = place / window.size;
      if (place < 0) return;
      add_to(to[Index(window.start(p) + i) * w + window.start(q) + place - i * window.size],
             C(grad[o]));
    });
  }
};

}  // namespace alexnet
