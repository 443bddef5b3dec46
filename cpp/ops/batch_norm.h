// Batch normalisation (Ioffe & Szegedy 2015, algorithm 1) of channel c over its m = N H W values.
//
//   mean = sum x / m         var = sum (x - mean)^2 / m        r = 1 / sqrt(var + eps)
//   xh   = (x - mean) * r    y   = gamma * xh + beta
//
//   dbeta  += sum dy                     dgamma += sum dy * xh
//   dx      = gamma * r * (dy - sum(dy) / m - xh * sum(dy * xh) / m)
//
// Inference uses the running mean and variance instead of the batch's. Training accumulates the
// changes of both; the step's update applies them:
//
//   change += rate * (batch - running)   with the variance sum (x - mean)^2 / (m - 1)
//
// With rate = momentum this is PyTorch's (1 - momentum) * running + momentum * batch.
#pragma once

#include "ops/op.h"

namespace alexnet {

// Calls f(i) for each index i of channel c, image by image, with the row's team. Sums in float64.
template <class Index, class Team>
struct ChannelValues {
  const Shape& shape;
  const Index c;
  const Team& team;

  template <class F>
  ANX_HD double sum(F&& f) const {
    const Index plane = shape.plane(), channels = shape.c;
    if (plane == 1)
      return team.sum(Index(shape.n), [&](Index n) { return double(f(n * channels + c)); });
    double total = 0;
    for (Index n = 0; n < shape.n; ++n) {
      const Index first = (n * channels + c) * plane;
      total += team.sum(plane, [&](Index p) { return double(f(first + p)); });
    }
    return total;
  }

  template <class F>
  ANX_HD void each(F&& f) const {
    const Index plane = shape.plane(), channels = shape.c;
    if (plane == 1) return team.each(Index(shape.n), [&](Index n) { f(n * channels + c); });
    for (Index n = 0; n < shape.n; ++n) {
      const Index first = (n * channels + c) * plane;
      team.each(plane, [&](Index p) { f(first + p); });
    }
  }
};

inline Grid channels_of(const Shape& s) { return {s.c, int64_t(s.n) * s.plane()}; }

template <class T>
struct BatchNormForward {
  static constexpr const char* name = "batch_norm_forward";
  using C = Compute<T>;
  C eps, rate;
  View<const T> x;
  View<const C> gamma, beta, running_mean, running_var;
  View<C> mean_change, var_change;
  View<T> y;
  View<C> kept;  // (c, 2): mean and r, for the backward pass

  template <class F>
  void visit(F&& f) const {
    f(x), f(gamma), f(beta), f(running_mean), f(running_var);
    f(mean_change), f(var_change), f(y), f(kept);
  }
  Grid grid() const { return channels_of(x.shape); }

  template <class Index, class Team>
  ANX_HD void operator()(Index c, const Team& team) const {
    const ChannelValues<Index, Team> values{x.shape, c, team};
    const double m = double(x.shape.n) * x.shape.plane();
    const double mean = values.sum([&](Index i) { return C(x[i]); }) / m;
    const double squares = values.sum([&](Index i) {
      const double d = C(x[i]) - mean;
      return d * d;
    });
    const C center = C(mean), r = C(1 / std::sqrt(squares / m + eps));
    team.each(1, [&](Index) {
      kept[c * 2] = center;
      kept[c * 2 + 1] = r;
      mean_change[c] += C(rate * (mean - running_mean[c]));
      var_change[c] += C(rate * (squares / (m > 1 ? m - 1 : 1) - running_var[c]));
    });
    const C scale = gamma[c] * r, shift = beta[c];
    values.each([&](Index i) { y[i] = scale * (C(x[i]) - center) + shift; });
  }
};

template <class T>
struct BatchNormBackward {
  static constexpr const char* name = "batch_norm_backward";
  using C = Compute<T>;
  View<const T> x, dy;
  View<const C> gamma, kept;
  View<C> dgamma, dbeta;  // may be empty
  View<T> dx;             // may be empty

  template <class F>
  void visit(F&& f) const {
    f(x), f(dy), f(gamma), f(kept), f(dgamma), f(dbeta), f(dx);
  }
  Grid grid() const { return channels_of(x.shape); }

  template <class Index, class Team>
  ANX_HD void operator()(Index c, const Team& team) const {
    const ChannelValues<Index, Team> values{x.shape, c, team};
    const C mean = kept[c * 2], r = kept[c * 2 + 1];
    const double m = double(x.shape.n) * x.shape.plane();
    const double sum = values.sum([&](Index i) { return C(dy[i]); });
    const double cross =
        r * values.sum([&](Index i) { return double(C(dy[i])) * (C(x[i]) - mean); });
    team.each(1, [&](Index) {
      if (dbeta.data) dbeta[c] += C(sum);
      if (dgamma.data) dgamma[c] += C(cross);
    });
    if (!dx.data) return;
    const C scale = gamma[c] * r, a = C(sum / m), b = C(cross / m) * r;
    values.each([&](Index i) { dx[i] = scale * (C(dy[i]) - a - b * (C(x[i]) - mean)); });
  }
};

template <class T>
struct BatchNormInference {
  static constexpr const char* name = "batch_norm_inference";
  using C = Compute<T>;
  C eps;
  View<const T> x;
  View<const C> gamma, beta, running_mean, running_var;
  View<T> y;

  template <class F>
  void visit(F&& f) const {
    f(x), f(gamma), f(beta), f(running_mean), f(running_var), f(y);
  }
  Grid grid() const { return channels_of(x.shape); }

  template <class Index, class Team>
  ANX_HD void operator()(Index c, const Team& team) const {
    const C center = running_mean[c], shift = beta[c];
    const C scale = gamma[c] * C(1 / std::sqrt(double(running_var[c]) + eps));
    ChannelValues<Index, Team>{x.shape, c, team}.each(
        [&](Index i) { y[i] = scale * (C(x[i]) - center) + shift; });
  }
};

}  // namespace alexnet
