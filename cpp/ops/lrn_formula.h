// The formulas of response normalisation for a value V: a float, a double or a vector of channels.
// Across channels (ops/lrn.h), within a map (ops/lrn_within.h) and with the pooling behind it
// (ops/lrn_pool.h), only the window W and the way in which its sums are formed differ.
//
//   s  = k + alpha * sum_W x^2
//   y  = x * s^-beta
//   dx = dy * s^-beta - 2*alpha*beta * x * sum_W dy * y / s
//
// `p` has k, alpha and beta. Powers is a class template, so that a back end can specialise it for
// its vectors (backends/cpu/blocked/lrn.h).
#pragma once

#include <cmath>

#include "core/macros.h"

namespace alexnet {

// a^-b, and a^-b / a.
template <class V>
struct Powers {
  V power, over;

  // With the exact rewrite for the paper's exponent: two roots are far cheaper than a power.
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
// y; and with dy for x the first term of dx.
template <class V>
ANX_HD V lrn_value(V x, const Powers<V>& s) {
  return x * s.power;
}
// What dx sums, dy * y / s, where y and s were kept.
template <class V>
ANX_HD V lrn_cross_term(V dy, V y, V s) {
  return dy * y / s;
}
// The same where they are computed again from x.
template <class V>
ANX_HD V lrn_cross_term(V dy, V x, const Powers<V>& s) {
  return dy * x * s.over;
}
// dx, from its first term and its sum.
template <class P, class V>
ANX_HD V lrn_slope(const P& p, V x, V own, V cross) {
  return own - 2 * p.alpha * p.beta * x * cross;
}

}  // namespace alexnet
