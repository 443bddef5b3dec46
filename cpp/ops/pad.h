// Adds zeros around an image, or crops it.
//
//   y[r, i, j] = x[r, i - top, j - left] if that is inside x, else 0
//
// Negative top and left crop. Padding by (t, l) and cropping by (-t, -l) are each other's
// transpose, so each is the backward pass of the other.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class T>
struct Pad {
  static constexpr const char* name = "pad";
  int top = 0, left = 0;
  View<const T> x;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return planes(y); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int i = int(col) / y.shape.w - top, j = int(col) % y.shape.w - left;
    const bool inside = i >= 0 && j >= 0 && i < x.shape.h && j < x.shape.w;
    y.at(row, col) = inside ? x.at(row, Index(i * x.shape.w + j)) : T(0);
  }
};

}  // namespace alexnet
