// The tile size of a convolution in each direction, and the sizes that follow from it.
#pragma once

#include <algorithm>

#include "backends/cpu/winograd/kernels.h"
#include "core/conv.h"

namespace alexnet {

// The plan of one direction: the shape of a group and its transforms.
struct WinogradPlan {
  WinogradShape s;
  const WinogradTransforms* t = nullptr;

  int64_t in_group() const { return int64_t(s.in_c) * s.in_h * s.in_w; }
  int64_t out_group() const { return int64_t(s.out_c) * s.out_h * s.out_w; }
  int64_t taps() const { return int64_t(s.in_c) * s.out_c * s.kernel * s.kernel; }
  int64_t weight_floats() const { return s.points() * s.weight_point(); }  // weights at all points

  // The points of an interval of groups of rows.
  Interval points(Interval rows) const {
    const auto first = [&](int row) { return std::min(2 * row * s.side(), s.points()); };
    return {first(rows.first), first(rows.last)};
  }
};

WinogradPlan winograd_forward(const ConvProblem& p);
WinogradPlan winograd_backward_data(const ConvProblem& p);
WinogradPlan winograd_backward_weights(const ConvProblem& p);

}  // namespace alexnet
