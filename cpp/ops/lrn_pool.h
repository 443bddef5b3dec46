// Local response normalisation fused with the max pooling after it: ops/lrn.h inside the window of
// ops/max_pool.h. The normalised values are not stored.
//
//   y[o]  = max_{p in W(o)} LRN(x)[p]      dx = LRN'(d), d[p] = sum_{o: argmax W(o) = p} dy[o]
//
// Recomputing them takes less time than storing and loading them.
#pragma once

#include "ops/lrn.h"
#include "ops/max_pool.h"

namespace alexnet {

// row = image, channel and output row; col = output column.
template <class T>
struct LrnMaxPoolForward {
  static constexpr const char* name = "lrn_max_pool_forward";
  using C = Compute<T>;
  LrnParams<T> p;
  Window window;
  View<const T> x;
  View<T> y;
  View<C> argmax;  // as in MaxPoolForward

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(argmax);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int oy = int(row % y.shape.h), ox = int(col);
    const Index plane = row / y.shape.h;
    const Range rows = window.pixels(oy, x.shape.h), cols = window.pixels(ox, x.shape.w);
    Maximum<C, int> max{normalised(plane, rows.first, cols.first),
                        window.position(oy, ox, rows.first, cols.first)};
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j)
        max.update(normalised(plane, i, j), window.position(oy, ox, i, j));
    const Index at = Index(oy) * y.shape.w + ox;
    y.at(plane, at) = max.value;
    argmax.at(plane, at) = C(max.argmax);
  }

 private:
  // Rounded to T, as a stored value would be.
  template <class Index>
  ANX_HD C normalised(Index plane, int i, int j) const {
    const Index at = Index(i) * x.shape.w + j;
    return T(lrn_value(C(x.at(plane, at)), lrn_powers(p, lrn_scale_at(p, x, plane, at))));
  }
};

// row = image and channel; col = pixel.
template <class T>
struct LrnMaxPoolBackward {
  static constexpr const char* name = "lrn_max_pool_backward";
  using C = Compute<T>;
  LrnParams<T> p;
  Window window;
  View<const T> x;
  View<const C> argmax;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(x), f(argmax), f(dy), f(dx);
  }
  Grid grid() const { return planes(x); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const ChannelWindow w(row, p.size, p.group);
    C cross = 0;
    for (Index j = w.first; j <= w.last; ++j)
      cross += lrn_cross_term(pooled(j, col), C(x.at(j, col)), powers(j, col));
    const C own = lrn_value(pooled(row, col), powers(row, col));
    dx.at(row, col) = lrn_slope(p, C(x.at(row, col)), own, cross);
  }

 private:
  template <class Index>
  ANX_HD Powers<C> powers(Index row, Index col) const {
    return lrn_powers(p, lrn_scale_at(p, x, row, col));
  }
  // The gradient with respect to a normalised value: summed over the windows that select it.
  template <class Index>
  ANX_HD C pooled(Index row, Index col) const {
    const int y = int(col) / x.shape.w, column = int(col) % x.shape.w;
    C sum = 0;
    for (int p = window.first_over(y); p < dy.shape.h && window.begins_by(p, y); ++p)
      for (int q = window.first_over(column); q < dy.shape.w && window.begins_by(q, column); ++q) {
        const Index at = Index(p) * dy.shape.w + q;
        sum += max_pool_gradient(C(dy.at(row, at)), int(argmax.at(row, at)),
                                 window.position(p, q, y, column));
      }
    return sum;
  }
};

}  // namespace alexnet
