// Softmax over the classes and its cross-entropy with the labels.
//
//   p[n,c]  = e^x[n,c] / sum_k e^x[n,k]
//   loss[n] = log sum_k e^x[n,k] - x[n,label]          in nats
//   dx[n,c] = (p[n,c] - [c = label]) * loss_scale
//
// Top-k accuracy with g logits greater than the label's and t equal to it (itself included):
// clamp((k - g) / t, 0, 1), so that a constant predictor gets exactly k / classes, as in the 2012
// source. It is 0 if the result is not a number.
#pragma once

#include <cmath>

#include "ops/op.h"

namespace alexnet {

template <class T>
struct SoftmaxForward {
  static constexpr const char* name = "softmax_forward";
  using C = Compute<T>;
  View<const T> x;
  View<const int32_t> labels;  // (n,), or empty: then `scores` is not written
  View<C> p, scores;           // scores (n, 3): loss, top-1 accuracy, top-5 accuracy

  template <class F>
  void visit(F&& f) const {
    f(x), f(labels), f(p), f(scores);
  }
  Grid grid() const { return {x.shape.n, x.shape.c}; }

  template <class Index, class Team>
  ANX_HD void operator()(Index n, const Team& team) const {
    const Index classes = x.shape.c;
    const T* logit = x.data + n * classes;
    C* out = p.data + n * classes;
    const C top = team.max(classes, [&](Index c) { return C(logit[c]); });
    const C sum = team.sum(classes, [&](Index c) { return std::exp(C(logit[c]) - top); });
    const C scale = C(1) / sum;
    team.each(classes, [&](Index c) { out[c] = std::exp(C(logit[c]) - top) * scale; });
    if (!labels.data) return;

    const C own = logit[labels[n]];
    const C above = team.sum(classes, [&](Index c) { return C(C(logit[c]) > own); });
    const C equal = team.sum(classes, [&](Index c) { return C(C(logit[c]) == own); });
    team.each(3, [&](Index i) {
      scores[n * 3 + i] = i == 0   ? (top - own) + std::log(sum)
                          : i == 1 ? credit(1, above, equal, sum)
                                   : credit(5, above, equal, sum);
    });
  }

 private:
  ANX_HD static C credit(C k, C above, C equal, C sum) {
    if (sum != sum) return 0;  // a NaN or an infinite logit makes the sum NaN
    const C share = (k - above) / equal;
    return share < 0 ? C(0) : share > 1 ? C(1) : share;
  }
};

template <class T>
struct SoftmaxBackward {
  static constexpr const char* name = "softmax_backward";
  using C = Compute<T>;
  C loss_scale = 1;
  View<const C> p;
  View<const int32_t> labels;
  View<T> dx;

  template <class F>
  void visit(F&& f) const {
    f(p), f(labels), f(dx);
  }
  Grid grid() const { return {p.shape.n, p.shape.c}; }

  template <class Index>
  ANX_HD void operator()(Index n, Index c) const {
    const Index at = n * p.shape.c + c;
    dx[at] = (p[at] - C(c == labels[n])) * loss_scale;
  }
};

}  // namespace alexnet
