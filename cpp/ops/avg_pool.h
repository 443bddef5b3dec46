// Average pooling over windows clipped to the image.
//
//   y[o] = sum_{p in W(o)} x[p] / |W(o)|      dx[p] = sum_{o: p in W(o)} dy[o] / |W(o)|
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace alexnet {

// The sum over a window's pixels divided by their number (at most 2^24, exact in float32).
template <class V>
ANX_HD V per_pixel(V total, Range rows, Range cols) {
  return total / float(rows.count() * cols.count());
}

template <class T>
struct AvgPoolForward {
  static constexpr const char* name = "avg_pool_forward";
  Window window;
  View<const T> x;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int w = x.shape.w;
    const Range rows = window.pixels(int(row % y.shape.h), x.shape.h);
    const Range cols = window.pixels(int(col), w);
    const T* plane = x.plane(row / y.shape.h);
    Compute<T> sum = 0;
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) sum += Compute<T>(plane[Index(i) * w + j]);
    y[row * y.shape.w + col] = per_pixel(sum, rows, cols);
  }
};

template <class T>
struct AvgPoolBackward {
  static constexpr const char* name = "avg_pool_backward";
  Window window;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(dy), f(dx);
  }
  Grid grid() const { return planes(dx); }

  template <class Index, class Team>
  ANX_HD void operator()(Index plane, const Team& team) const {
    const int h = dx.shape.h, w = dx.shape.w, ow = dy.shape.w;
    const T* grad = dy.plane(plane);
    T* to = dx.plane(plane);
    team.each(dx.shape.plane(), [&](Index i) { to[i] = 0; });
    each_window(team, window, dy.shape.h, ow, [&](int p, int q) {
      const Range rows = window.pixels(p, h), cols = window.pixels(q, w);
      const auto share = per_pixel(Compute<T>(grad[Index(p) * ow + q]), rows, cols);
      for (int i = rows.first; i < rows.last; ++i)
        for (int j = cols.first; j < cols.last; ++j) add_to(to[Index(i) * w + j], share);
    });
  }
};

}  // namespace alexnet
