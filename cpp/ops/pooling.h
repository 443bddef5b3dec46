// Max and average pooling over windows clipped to the image (Krizhevsky et al. 2012, section 3.4).
//
//   max:      y[o] = max_{p in W(o)} x[p]            dx[p] = sum_{o: argmax W(o) = p} dy[o]
//   average:  y[o] = sum_{p in W(o)} x[p] / |W(o)|   dx[p] = sum_{o: p in W(o)} dy[o] / |W(o)|
//
// Of equal maxima the first in row-major order is the argmax; a NaN in the window is its maximum.
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace alexnet {

// f(p, q) for every window of a plane. Those that run in parallel lie so far apart that they do not
// overlap, and the order of the rest is fixed: f may add to the pixels of its window.
template <class Team, class F>
ANX_HD void each_window(const Team& team, const Window& window, int oh, int ow, F&& f) {
  const int apart = (window.size + window.stride - 1) / window.stride;
  for (int a = 0; a < apart && a < oh; ++a)
    for (int b = 0; b < apart && b < ow; ++b) {
      const int rows = (oh - a + apart - 1) / apart, cols = (ow - b + apart - 1) / apart;
      team.each(int64_t(rows) * cols, [&](int64_t i) {
        const int row = int(i) / cols;
        f(a + row * apart, b + (int(i) - row * cols) * apart);
      });
    }
}

// row = image, channel and output row; col = output column.
template <class T>
struct MaxPoolForward {
  static constexpr const char* name = "max_pool_forward";
  using C = Compute<T>;
  Window window;
  View<const T> x;
  View<T> y;
  View<C> tap;  // where in its window the maximum is, row * size + column: for the backward pass

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(tap);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  ANX_HD void operator()(int64_t row, int64_t col) const {
    const int oy = int(row % y.shape.h), ox = int(col), w = x.shape.w;
    const Range rows = window.pixels(oy, x.shape.h), cols = window.pixels(ox, w);
    const T* plane = x.data + row / y.shape.h * x.shape.plane();
    C best = plane[int64_t(rows.first) * w + cols.first];
    int place = (rows.first - window.start(oy)) * window.size + cols.first - window.start(ox);
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) {
        const C v = plane[int64_t(i) * w + j];
        const bool take = v > best || v != v;
        best = take ? v : best;
        place = take ? (i - window.start(oy)) * window.size + j - window.start(ox) : place;
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

  template <class Team>
  ANX_HD void operator()(int64_t plane, const Team& team) const {
    const int w = dx.shape.w, ow = dy.shape.w;
    const C* from = tap.data + plane * dy.shape.plane();
    const T* grad = dy.data + plane * dy.shape.plane();
    T* to = dx.data + plane * dx.shape.plane();
    team.each(dx.shape.plane(), [&](int64_t i) { to[i] = 0; });
    each_window(team, window, dy.shape.h, ow, [&](int p, int q) {
      const int64_t o = int64_t(p) * ow + q;
      const int place = int(from[o]), i = place / window.size;
      add_to(to[int64_t(window.start(p) + i) * w + window.start(q) + place - i * window.size],
             C(grad[o]));
    });
  }
};

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

  ANX_HD void operator()(int64_t row, int64_t col) const {
    const int w = x.shape.w;
    const Range rows = window.pixels(int(row % y.shape.h), x.shape.h);
    const Range cols = window.pixels(int(col), w);
    const T* plane = x.data + row / y.shape.h * x.shape.plane();
    Compute<T> sum = 0;
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) sum += Compute<T>(plane[int64_t(i) * w + j]);
    y[row * y.shape.w + col] =
        sum / Compute<T>((rows.last - rows.first) * (cols.last - cols.first));
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

  template <class Team>
  ANX_HD void operator()(int64_t plane, const Team& team) const {
    const int h = dx.shape.h, w = dx.shape.w, ow = dy.shape.w;
    const T* grad = dy.data + plane * dy.shape.plane();
    T* to = dx.data + plane * dx.shape.plane();
    team.each(dx.shape.plane(), [&](int64_t i) { to[i] = 0; });
    each_window(team, window, dy.shape.h, ow, [&](int p, int q) {
      const Range rows = window.pixels(p, h), cols = window.pixels(q, w);
      const Compute<T> count = (rows.last - rows.first) * (cols.last - cols.first),
                       share = grad[int64_t(p) * ow + q] / count;
      for (int i = rows.first; i < rows.last; ++i)
        for (int j = cols.first; j < cols.last; ++j) add_to(to[int64_t(i) * w + j], share);
    });
  }
};

}  // namespace alexnet
