// Converts the layout: planes to channel blocks or back.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class T>
struct Reorder {
  static constexpr const char* name = "reorder";
  View<const T> x;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return planes(x); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    y.at(row, col) = x.at(row, col);
  }
};

}  // namespace alexnet
