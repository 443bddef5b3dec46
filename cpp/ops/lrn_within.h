// Response normalisation within a channel, the spatial layer ("rnorm") of the 2012 source.
//
//   s[p]  = k + alpha * sum_{q in W(p)} x[q]^2     W(p): size x size pixels around p, clipped
//   y[p]  = x[p] * s[p]^-beta
//   dx[p] = dy[p] * s[p]^-beta - 2*alpha*beta * x[p] * sum_{q in W(p)} dy[q] * y[q] / s[q]
//
// `alpha` multiplies the plain sum; the layer divides it by size^2 for alpha_mode "mean" (the
// 2012 source).
#pragma once

#include "ops/lrn_formula.h"
#include "ops/op.h"
#include "ops/window.h"

namespace alexnet {

template <class T>
struct LrnWithinParams {
  int size = 5;  // odd, so that the window is symmetric: q in W(p) <=> p in W(q)
  Compute<T> k = 1, alpha = Compute<T>(1e-4), beta = Compute<T>(0.75);

  ANX_HD Window window() const { return {size, 1, size / 2}; }
};

// The grid of both ops: row = image, channel and image row; col = image column.
template <class T>
struct LrnWithinForward {
  static constexpr const char* name = "lrn_within_forward";
  using C = Compute<T>;
  LrnWithinParams<T> p;
  View<const T> x;
  View<T> y;
  View<C> s;  // kept for the backward pass

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(s);
  }
  Grid grid() const { return {planes(x).rows * x.shape.h, x.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int h = x.shape.h, w = x.shape.w;
    const Range rows = p.window().pixels(int(row % h), h), cols = p.window().pixels(int(col), w);
    const T* plane = x.plane(row / h);
    C sum = 0;
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j)
        sum += C(plane[Index(i) * w + j]) * C(plane[Index(i) * w + j]);
    const C scale = lrn_scale(p, sum);
    s[row * w + col] = scale;
    y[row * w + col] = lrn_value(C(x[row * w + col]), lrn_powers(p, scale));
  }
};

template <class T>
struct LrnWithinBackward {
  static constexpr const char* name = "lrn_within_backward";
  using C = Compute<T>;
  LrnWithinParams<T> p;
  View<const T> x, y;
  View<const C> s;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(s), f(dy), f(dx);
  }
  Grid grid() const { return {planes(x).rows * x.shape.h, x.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int h = x.shape.h, w = x.shape.w;
    const Range rows = p.window().pixels(int(row % h), h), cols = p.window().pixels(int(col), w);
    const Index plane = row / h * x.shape.plane(), at = row * w + col;
    C cross = 0;
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) {
        const Index q = plane + Index(i) * w + j;
        cross += lrn_cross_term(C(dy[q]), C(y[q]), s[q]);
      }
    const C own = lrn_value(C(dy[at]), lrn_powers(p, s[at]));
    dx[at] = lrn_slope(p, C(x[at]), own, cross);
  }
};

}  // namespace alexnet
