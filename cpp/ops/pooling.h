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

// Of every grid here: row = image, channel and row of the result; col = column of the result.
template <class T>
struct MaxPoolForward {
  static constexpr const char* name = "max_pool_forward";
  Window window;
  View<const T> x;
  View<T> y;
  View<T> tap;  // where in its window the maximum is, row * size + column: for the backward pass

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(tap);
  }
  Grid grid() const { return {planes(y).rows * y.shape.h, y.shape.w}; }

  ANX_HD void operator()(int64_t row, int64_t col) const {
    const int oy = int(row % y.shape.h), ox = int(col), w = x.shape.w;
    const Range rows = window.pixels(oy, x.shape.h), cols = window.pixels(ox, w);
    const T* plane = x.data + row / y.shape.h * x.shape.plane();
    int best_i = rows.first, best_j = cols.first;
    T best = plane[int64_t(best_i) * w + best_j];
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) {
        const T v = plane[int64_t(i) * w + j];
        if (v > best || (v != v && best == best)) best = v, best_i = i, best_j = j;
      }
    y[row * y.shape.w + col] = best;
    tap[row * y.shape.w + col] =
        T((best_i - window.start(oy)) * window.size + best_j - window.start(ox));
  }
};

template <class T>
struct MaxPoolBackward {
  static constexpr const char* name = "max_pool_backward";
  Window window;
  View<const T> tap, dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(tap), f(dy), f(dx);
  }
  Grid grid() const { return {planes(dx).rows * dx.shape.h, dx.shape.w}; }

  ANX_HD void operator()(int64_t row, int64_t col) const {
    const int i = int(row % dx.shape.h), j = int(col), oh = dy.shape.h, ow = dy.shape.w;
    const int64_t plane = row / dx.shape.h * dy.shape.plane();
    const int first_x = window.first_over(j);
    T sum = 0;
    for (int oy = window.first_over(i); oy < oh && window.begins_by(oy, i); ++oy)
      for (int ox = first_x; ox < ow && window.begins_by(ox, j); ++ox) {
        const int mine = (i - window.start(oy)) * window.size + j - window.start(ox);
        const int64_t o = plane + int64_t(oy) * ow + ox;
        sum += tap[o] == T(mine) ? dy[o] : T(0);
      }
    dx[row * dx.shape.w + col] = sum;
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
    T sum = 0;
    for (int i = rows.first; i < rows.last; ++i)
      for (int j = cols.first; j < cols.last; ++j) sum += plane[int64_t(i) * w + j];
    y[row * y.shape.w + col] = sum / T((rows.last - rows.first) * (cols.last - cols.first));
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
  Grid grid() const { return {planes(dx).rows * dx.shape.h, dx.shape.w}; }

  ANX_HD void operator()(int64_t row, int64_t col) const {
    const int i = int(row % dx.shape.h), j = int(col), oh = dy.shape.h, ow = dy.shape.w;
    const int64_t plane = row / dx.shape.h * dy.shape.plane();
    const int first_x = window.first_over(j);
    T sum = 0;
    for (int oy = window.first_over(i); oy < oh && window.begins_by(oy, i); ++oy) {
      const Range rows = window.pixels(oy, dx.shape.h);
      for (int ox = first_x; ox < ow && window.begins_by(ox, j); ++ox) {
        const Range cols = window.pixels(ox, dx.shape.w);
        sum += dy[plane + int64_t(oy) * ow + ox] /
               T((rows.last - rows.first) * (cols.last - cols.first));
      }
    }
    dx[row * dx.shape.w + col] = sum;
  }
};

}  // namespace alexnet
