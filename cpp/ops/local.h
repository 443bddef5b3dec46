// Unshared convolution ("local" in the 2012 source): a convolution with separate weights and a
// separate bias for each output pixel.
//
//   y[n,o,p,q] = b[o,p,q]
//              + sum_{c,i,j} w[o,(c,i,j),p,q] * x[n, c, p*stride + i - pad, q*stride + j - pad]
//
// The shape of the weights is {channels, C*k*k, OH, OW}.
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace alexnet {

// row = image, output channel and output row; col = output column.
template <class T>
struct LocalForward {
  static constexpr const char* name = "local_forward";
  using C = Compute<T>;
  Window window;
  View<const T> x, w;
  View<const C> b;  // may be empty
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(w), f(b), f(y);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int k = window.size, p = int(row % y.shape.h), q = int(col);
    const Index map = row / y.shape.h, n = map / y.shape.c, o = map % y.shape.c;
    const Index pixels = y.shape.plane(), pixel = Index(p) * y.shape.w + q;
    const Range rows = window.pixels(p, x.shape.h), cols = window.pixels(q, x.shape.w);
    const T* taps = w.data + o * w.shape.per_image() + pixel;
    C sum = b.data ? b[o * pixels + pixel] : C(0);
    for (int c = 0; c < x.shape.c; ++c) {
      const T* plane = x.plane(n * x.shape.c + c);
      for (int i = rows.first; i < rows.last; ++i)
        for (int j = cols.first; j < cols.last; ++j) {
          const int tap = (c * k + i - window.start(p)) * k + j - window.start(q);
          sum += C(taps[tap * pixels]) * C(plane[Index(i) * x.shape.w + j]);
        }
    }
    y[row * y.shape.w + col] = sum;
  }
};

// dx[n,c,r,s] = sum over the windows (p, q) that cover (r, s), and o, of w * dy.
template <class T>
struct LocalBackwardData {
  static constexpr const char* name = "local_backward_data";
  using C = Compute<T>;
  Window window;
  View<const T> w, dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(w), f(dy), f(dx);
  }
  Grid grid() const { return {planes(dx).rows * dx.shape.h, dx.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int k = window.size, r = int(row % dx.shape.h), s = int(col);
    const Index map = row / dx.shape.h, n = map / dx.shape.c, c = map % dx.shape.c;
    const int oh = dy.shape.h, ow = dy.shape.w, first_q = window.first_over(s);
    const Index pixels = dy.shape.plane();
    C sum = 0;
    for (int p = window.first_over(r); p < oh && window.begins_by(p, r); ++p)
      for (int q = first_q; q < ow && window.begins_by(q, s); ++q) {
        const Index tap = (c * k + r - window.start(p)) * k + s - window.start(q);
        const Index pixel = Index(p) * ow + q;
        for (int o = 0; o < dy.shape.c; ++o)
          sum += C(w[o * w.shape.per_image() + tap * pixels + pixel]) *
                 C(dy[(n * dy.shape.c + o) * pixels + pixel]);
      }
    dx[row * dx.shape.w + col] = sum;
  }
};

// dw[o,(c,i,j),p,q] += sum_n dy[n,o,p,q] * x[...]; row = output channel, tap and output row.
template <class T>
struct LocalBackwardWeights {
  static constexpr const char* name = "local_backward_weights";
  using C = Compute<T>;
  Window window;
  View<const T> x, dy;
  View<C> dw;

  template <class F>
  void visit(F&& f) const {
    f(x), f(dy), f(dw);
  }
  Grid grid() const { return {planes(dw).rows * dw.shape.h, dw.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int k = window.size, p = int(row % dw.shape.h), q = int(col);
    const Index map = row / dw.shape.h, o = map / dw.shape.c;
    const int tap = int(map % dw.shape.c), c = tap / (k * k);
    const int r = window.start(p) + tap / k % k, s = window.start(q) + tap % k;
    if (r < 0 || r >= x.shape.h || s < 0 || s >= x.shape.w) return;
    const Index in = c * x.shape.plane() + Index(r) * x.shape.w + s;
    const Index out = o * dy.shape.plane() + Index(p) * dy.shape.w + q;
    C sum = 0;
    for (int n = 0; n < x.shape.n; ++n)
      sum += C(dy[n * dy.shape.per_image() + out]) * C(x[n * x.shape.per_image() + in]);
    dw[row * dw.shape.w + col] += sum;
  }
};

// db[o,p,q] += sum_n dy[n,o,p,q]
template <class T>
struct LocalBackwardBias {
  static constexpr const char* name = "local_backward_bias";
  using C = Compute<T>;
  View<const T> dy;
  View<C> db;

  template <class F>
  void visit(F&& f) const {
    f(dy), f(db);
  }
  Grid grid() const { return flat(db); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    C sum = 0;
    for (int n = 0; n < dy.shape.n; ++n) sum += C(dy[n * dy.shape.per_image() + i]);
    db[i] += sum;
  }
};

}  // namespace alexnet
