// Local response normalisation and the max pooling behind it in one op, so that the normalised
// values are never in memory: ops/lrn.h inside the window of ops/max_pool.h.
//
//   y[o]  = max_{p in W(o)} LRN(x)[p]      dx = LRN'(d), d[p] = sum_{o: argmax W(o) = p} dy[o]
//
// What is computed again costs less than to store and fetch it.
#pragma once

#include "ops/lrn.h"
#include "ops/max_pool.h"

namespace alexnet {

// s of one element, from the window of channels around it.
template <class T, class Index>
ANX_HD Compute<T> lrn_scale(const LrnParams<T>& p, const View<const T>& x, Index row, Index col) {
  const ChannelWindow w(row, p.size, p.group);
  Compute<T> sum = 0;
  for (Index j = w.first; j <= w.last; ++j)
    sum += Compute<T>(x.at(j, col)) * Compute<T>(x.at(j, col));
  return p.k + p.alpha * sum;
}

// row = image, channel and output row; col = output column.
template <class T>
struct LrnMaxPoolForward {
  static constexpr const char* name = "lrn_max_pool_forward";
  using C = Compute<T>;
  LrnParams<T> p;
  Window window;
  View<const T> x;
  View<T> y;
  View<C> tap;  // as in MaxPoolForward

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(tap);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int oy = int(row % y.shape.h), ox = int(col), w = x.shape.w;
    const Index plane = row / y.shape.h;
    const Range rows = window.pixels(oy, x.shape.h), cols = window.pixels(ox, w);
    C best = 0;
    int place = -1;
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) {
        const Index at = Index(i) * w + j;
        const C v = T(C(x.at(plane, at)) * inverse_power(lrn_scale(p, x, plane, at), p.beta));
        const bool take = place < 0 || v > best || v != v;
        best = take ? v : best;
        place = take ? (i - window.start(oy)) * window.size + j - window.start(ox) : place;
      }
    const Index at = Index(oy) * y.shape.w + ox;
    y.at(plane, at) = best;
    tap.at(plane, at) = C(place);
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
  View<const C> tap;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(x), f(tap), f(dy), f(dx);
  }
  Grid grid() const { return planes(x); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const ChannelWindow w(row, p.size, p.group);
    C cross = 0;
    for (Index j = w.first; j <= w.last; ++j) {
      const C s = lrn_scale(p, x, j, col);
      cross += pooled(j, col) * C(x.at(j, col)) * inverse_power(s, p.beta) / s;
    }
    dx.at(row, col) = pooled(row, col) * inverse_power(lrn_scale(p, x, row, col), p.beta) -
                      2 * p.alpha * p.beta * C(x.at(row, col)) * cross;
  }

 private:
  // The gradient by the normalised value: from the windows of which it is the maximum.
  template <class Index>
  ANX_HD C pooled(Index row, Index col) const {
    const int y = int(col) / x.shape.w, column = int(col) % x.shape.w;
    C sum = 0;
    for (int p = window.first_over(y); p < dy.shape.h && window.begins_by(p, y); ++p)
      for (int q = window.first_over(column); q < dy.shape.w && window.begins_by(q, column); ++q) {
        const Index at = Index(p) * dy.shape.w + q;
        const int place = (y - window.start(p)) * window.size + column - window.start(q);
        if (int(tap.at(row, at)) == place) sum += C(dy.at(row, at));
      }
    return sum;
  }
};

}  // namespace alexnet
