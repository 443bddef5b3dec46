// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).
//
//   s[i]  = k + alpha * sum_{j in W(i)} x[j]^2
//   y[i]  = x[i] * s[i]^-beta
//   dx[i] = dy[i] * s[i]^-beta - 2*alpha*beta * x[i] * sum_{j in W(i)} dy[j] * y[j] / s[j]
//
//   W(i): channels i - n/2 .. i + n/2, clipped to the group
//
// `alpha` multiplies the plain sum, as in the paper's formula; the layer divides it by the window's
// size for alpha_mode "mean" (the authors' code, Caffe, cuDNN, PyTorch). Windows are clipped to a
// group of channels, so a tower does not read the channels of the other one.
#pragma once

#include "ops/lrn_formula.h"
#include "ops/op.h"

namespace alexnet {

template <class T>
struct LrnParams {
  int size = 5;   // odd, so that the window is symmetric: j in W(i) <=> i in W(j)
  int group = 1;  // number of channels of a group
  Compute<T> k = 2, alpha = Compute<T>(1e-4), beta = Compute<T>(0.75);
};

// The rows (image, channel) of the window around `row`, first..last inclusive.
template <class Index>
struct ChannelWindow {
  Index first, last;
  ANX_HD ChannelWindow(Index row, int size, int group) {
    const int c = int(row % group), half = size / 2;
    first = row - (c < half ? c : half);
    last = row + (group - 1 - c < half ? group - 1 - c : half);
  }
};

// s of one element, computed from the window of channels around it.
template <class T, class Index>
ANX_HD Compute<T> lrn_scale_at(const LrnParams<T>& p, const View<const T>& x, Index row,
                               Index col) {
  const ChannelWindow w(row, p.size, p.group);
  Compute<T> sum = 0;
  for (Index j = w.first; j <= w.last; ++j)
    sum += Compute<T>(x.at(j, col)) * Compute<T>(x.at(j, col));
  return lrn_scale(p, sum);
}

template <class T>
struct LrnForward {
  static constexpr const char* name = "lrn_forward";
  using C = Compute<T>;
  LrnParams<T> p;
  View<const T> x;
  View<T> y;
  View<C> s;  // kept for the backward pass

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(s);
  }
  Grid grid() const { return planes(x); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const C scale = lrn_scale_at(p, x, row, col);
    s.at(row, col) = scale;
    y.at(row, col) = lrn_value(C(x.at(row, col)), lrn_powers(p, scale));
  }
};

template <class T>
struct LrnBackward {
  static constexpr const char* name = "lrn_backward";
  using C = Compute<T>;
  LrnParams<T> p;
  View<const T> x, y;
  View<const C> s;
  View<const T> dy;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(x), f(y), f(s), f(dy), f(dx);
  }
  Grid grid() const { return planes(x); }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const ChannelWindow w(row, p.size, p.group);
    C cross = 0;
    for (Index j = w.first; j <= w.last; ++j)
      cross += lrn_cross_term(C(dy.at(j, col)), C(y.at(j, col)), s.at(j, col));
    const C own = lrn_value(C(dy.at(row, col)), lrn_powers(p, s.at(row, col)));
    dx.at(row, col) = lrn_slope(p, C(x.at(row, col)), own, cross);
  }
};

}  // namespace alexnet
