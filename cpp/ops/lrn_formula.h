// The formulas of response normalisation for a value V: a float, a double or a vector of channels.
// The variants across channels (ops/lrn.h), within a map (ops/lrn_within.h) and fused with max
// pooling (ops/lrn_pool.h) differ only in the window W and in how its sums are computed.
//
//   s  = k + alpha * sum_W x^2
//   y  = x * s^-beta
//   dx = dy * s^-beta - 2*alpha*beta * x * sum_W dy * y / s
//
// `p` has the members k, alpha and beta. Powers is a class template, so that a back end can
// specialise it for its vectors (backends/cpu/blocked/lrn.h).
#pragma once

#include <cmath>

#include "core/macros.h"

namespace alexnet {

// a^-b, and a^-b / a.
template <class V>
struct Powers {
  V power, over;

  // The paper's exponent is rewritten exactly: two square roots are much faster than a power.
  ANX_HD static Powers of(V a, V b) {
    V power;
    if (b == V(0.75)) {
      const V root = std::sqrt(a);
      power = V(1) / (root * std::sqrt(root));
    } else {
      power = std::pow(a, -b);
    }
    return {power, power / a};
  }
};

template <class P, class V>
ANX_HD V lrn_scale(const P& p, V sum_of_squares) {
  return p.k + p.alpha * sum_of_squares;
}
template <class P, class V>
ANX_HD Powers<V> lrn_powers(const P& p, V s) {
  return Powers<V>::of(s, p.beta);
}
// y; with dy in place of x, the first term of dx.
template <class V>
ANX_HD V lrn_value(V x, const Powers<V>& s) {
  return x * s.power;
}
// A term of the sum in dx, dy * y / s, from stored y and s.
template <class V>
ANX_HD V lrn_cross_term(V dy, V y, V s) {
  return dy * y / s;
}
// The same, with y and s recomputed from x.
template <class V>
ANX_HD V lrn_cross_term(V dy, V x, const Powers<V>& s) {
  return dy * x * s.over;
}
// dx from its first term and its sum.
template <class P, class V>
ANX_HD V lrn_slope(const P& p, V x, V own, V cross) {
  return own - 2 * p.alpha * p.beta * x * cross;
}

}  // namespace alexnet
