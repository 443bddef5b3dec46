// The sum of a vector over all ranks, in rank order.
//
//   y = x[0] + x[1] + ... + x[ranks - 1]
//
// x[rank] is the initial content of y; `parts` holds the vectors of the other ranks.
//
// The order is fixed, so the result is bit-identical on every rank and in every run.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class T>
struct SumOfRanks {
  static constexpr const char* name = "sum_of_ranks";
  int rank = 0, ranks = 1;
  int64_t stride = 0;   // from one rank's part to the next
  View<const T> parts;  // of all ranks except this one, in rank order
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(parts), f(y);
  }
  Grid grid() const { return flat(y); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    T sum = rank == 0 ? y[i] : parts[i];
    for (int r = 1; r < ranks; ++r)
      sum += r == rank ? y[i] : parts[(r < rank ? r : r - 1) * stride + i];
    y[i] = sum;
  }
};

}  // namespace alexnet
