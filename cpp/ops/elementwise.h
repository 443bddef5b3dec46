// Sums, biases, type conversions and copies of channel ranges.
#pragma once

#include "ops/op.h"

namespace alexnet {

// y += x
template <class T, class X = T>
struct Add {
  static constexpr const char* name = "add";
  View<const X> x;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return flat(y); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    add_to(y[i], Compute<T>(x[i]));
  }
};

// The same values in another type.
template <class X, class Y>
struct Cast {
  static constexpr const char* name = "cast";
  View<const X> x;
  View<Y> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return flat(y); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    y[i] = Y(x[i]);
  }
};

// y[n, c, p] = x[n, c, p] + b[c], or the larger of that and 0 if `relu`; b may be empty
template <class T, class X = Compute<T>>
struct AddBias {
  static constexpr const char* name = "add_bias";
  using C = Compute<T>;
  bool relu = false;
  View<const X> x;
  View<const C> b;
  View<T> y;  // may share memory with x if T is X

  template <class F>
  void visit(F&& f) const {
    f(x), f(b), f(y);
  }
  Grid grid() const { return planes(y); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const C sum = C(x.at(row, col)) + (b.data ? b[row % y.shape.c] : C(0));
    y.at(row, col) = relu && sum <= 0 ? C(0) : sum;  // keeps NaN
  }
};

// db[c] += sum over images and pixels of dy[n, c, p]
template <class T>
struct BiasGradient {
  static constexpr const char* name = "bias_gradient";
  using C = Compute<T>;
  View<const T> dy;
  View<C> db;

  template <class F>
  void visit(F&& f) const {
    f(dy), f(db);
  }
  Grid grid() const { return {dy.shape.c, int64_t(dy.shape.n) * dy.shape.plane()}; }

  template <class Index, class Team>
  ANX_HD void operator()(Index c, const Team& team) const {
    C sum = 0;
    if (dy.shape.plane() == 1) {
      sum = team.sum(dy.shape.n, [&](Index n) { return C(dy[n * dy.shape.c + c]); });
    } else {
      for (Index n = 0; n < dy.shape.n; ++n)
        sum += team.sum(dy.shape.plane(), [&](Index p) { return C(dy.at(n * dy.shape.c + c, p)); });
    }
    team.each(1, [&](Index) { db[c] += sum; });
  }
};

// y = channels first .. first + y.c of x. Backward pass of concat, forward pass of slice.
template <class T>
struct SliceChannels {
  static constexpr const char* name = "slice_channels";
  int first = 0;
  View<const T> x;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return {y.shape.n, y.shape.per_image()}; }

  template <class Index>
  ANX_HD void operator()(Index n, Index i) const {
    const Index from = n * x.shape.per_image() + first * x.shape.plane() + i;
    const Index to = n * y.shape.per_image() + i;
    y[to] = x[from];
  }
};

// Channels first .. first + x.c of y = x. Forward pass of concat, backward pass of slice.
template <class T>
struct PlaceChannels {
  static constexpr const char* name = "place_channels";
  int first = 0;
  View<const T> x;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return {x.shape.n, x.shape.per_image()}; }

  template <class Index>
  ANX_HD void operator()(Index n, Index i) const {
    const Index from = n * x.shape.per_image() + i;
    const Index to = n * y.shape.per_image() + first * y.shape.plane() + i;
    y[to] = x[from];
  }
};

}  // namespace alexnet
