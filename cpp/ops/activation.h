// Activation functions: y = f(x), dx = dy * f'(x).
//
//   relu       max(x, 0)            f' = [y > 0]        (Krizhevsky et al. 2012, section 3.1)
//   tanh       a tanh(b x)          f' = b / a * (a - y) (a + y)
//   logistic   1 / (1 + e^-x)       f' = y (1 - y)
//   softplus   log(1 + e^x)         f' = 1 - e^-y
//   abs        |x|                  f' = sign(x)
//   abs_tanh   |a tanh(b x)|        f' = sign(x) |a b| (1 - (y/a)^2)
//
// If f' depends on y only, the layer runs in place. At a kink f' is 0; NaN is passed through.
#pragma once

#include <cmath>

#include "ops/op.h"

namespace alexnet {

template <class T>
struct Relu {
  using Scalar = T;
  using C = Compute<T>;
  static constexpr const char *forward = "relu_forward", *backward = "relu_backward";
  static constexpr bool reads_input = false, reads_output = true;

  ANX_HD C value(C x) const { return x < 0 ? C(0) : x; }
  ANX_HD C slope(C, C y) const { return y > 0 ? C(1) : C(0); }
};

template <class T>
struct Tanh {
  using Scalar = T;
  using C = Compute<T>;
  static constexpr const char *forward = "tanh_forward", *backward = "tanh_backward";
  static constexpr bool reads_input = false, reads_output = true;
  C a = 1, b = 1;

  ANX_HD C value(C x) const { return a * std::tanh(b * x); }
  ANX_HD C slope(C, C y) const { return b / a * (a - y) * (a + y); }
};

template <class T>
struct Logistic {
  using Scalar = T;
  using C = Compute<T>;
  static constexpr const char *forward = "logistic_forward", *backward = "logistic_backward";
  static constexpr bool reads_input = false, reads_output = true;

  ANX_HD C value(C x) const { return C(1) / (C(1) + std::exp(-x)); }
  ANX_HD C slope(C, C y) const { return y * (C(1) - y); }
};

template <class T>
struct Softplus {
  using Scalar = T;
  using C = Compute<T>;
  static constexpr const char *forward = "softplus_forward", *backward = "softplus_backward";
  static constexpr bool reads_input = false, reads_output = true;

  // log(1 + e^x) = max(x, 0) + log(1 + e^-|x|): no overflow.
  ANX_HD C value(C x) const { return (x < 0 ? C(0) : x) + std::log1p(std::exp(-std::fabs(x))); }
  ANX_HD C slope(C, C y) const { return -std::expm1(-y); }
};

template <class T>
struct Abs {
  using Scalar = T;
  using C = Compute<T>;
  static constexpr const char *forward = "abs_forward", *backward = "abs_backward";
  static constexpr bool reads_input = true, reads_output = false;

  ANX_HD C value(C x) const { return std::fabs(x); }
  ANX_HD C slope(C x, C) const { return C(x > 0) - C(x < 0); }
};

template <class T>
struct AbsTanh {
  using Scalar = T;
  using C = Compute<T>;
  static constexpr const char *forward = "abs_tanh_forward", *backward = "abs_tanh_backward";
  static constexpr bool reads_input = true, reads_output = true;
  C a = 1, b = 1;

  ANX_HD C value(C x) const { return std::fabs(a * std::tanh(b * x)); }
  ANX_HD C slope(C x, C y) const {
    return (C(x > 0) - C(x < 0)) * std::fabs(a * b) * (C(1) - y / a * (y / a));
  }
};

template <class F, class T = typename F::Scalar>
struct ActivationForward {
  static constexpr const char* name = F::forward;
  F f;
  View<const T> x;
  View<T> y;  // may share memory with x

  template <class V>
  void visit(V&& v) const {
    v(x), v(y);
  }
  Grid grid() const { return flat(y); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    y[i] = f.value(x[i]);
  }
};

template <class F, class T = typename F::Scalar>
struct ActivationBackward {
  static constexpr const char* name = F::backward;
  F f;
  View<const T> x, y;  // empty unless F reads them
  View<const T> dy;
  View<T> dx;  // may share memory with dy

  template <class V>
  void visit(V&& v) const {
    v(x), v(y), v(dy), v(dx);
  }
  Grid grid() const { return flat(dx); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    using C = Compute<T>;
    const C own = F::reads_input ? C(x[i]) : C(0), out = F::reads_output ? C(y[i]) : C(0);
    dx[i] = C(dy[i]) * f.slope(own, out);
  }
};

}  // namespace alexnet
