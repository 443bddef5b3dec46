// Which plans of cuDNN's a convolution takes for the passes that will run. Apart from cuDNN, whose
// headers not every machine has.
#pragma once

#include <memory>
#include <optional>

#include "core/conv.h"

namespace alexnet {

enum class CudnnPass { forward, forward_bias_relu, backward_data, backward_weights };

inline const char* name_of(CudnnPass pass) {
  switch (pass) {
    case CudnnPass::forward:
      return "forward";
    case CudnnPass::forward_bias_relu:
      return "forward with bias and ReLU";
    case CudnnPass::backward_data:
      return "gradient with respect to the input";
    case CudnnPass::backward_weights:
      return "gradient with respect to the weights";
  }
  return "";
}

template <class Plan>
struct ConvPlans {
  std::shared_ptr<Plan> forward, fused, data, weights;  // null: not wanted, or see forward
  std::optional<CudnnPass> missing;                     // the first that is wanted and has no plan
};

// `make(pass)` gives a shared plan, or null where there is none; it is called for no pass that will
// not run. Where bias and ReLU have no plan with the convolution, they follow a plain forward pass.
template <class Plan, class Make>
ConvPlans<Plan> plans_of(const ConvPasses& wanted, Make&& make) {
  ConvPlans<Plan> plans;
  const auto take = [&](CudnnPass pass, std::shared_ptr<Plan>& plan) {
    if (plans.missing) return;
    plan = make(pass);
    if (!plan) plans.missing = pass;
  };
  if (wanted.forward_bias_relu) plans.fused = make(CudnnPass::forward_bias_relu);
  if (wanted.forward || (wanted.forward_bias_relu && !plans.fused))
    take(CudnnPass::forward, plans.forward);
  if (wanted.backward_weights) take(CudnnPass::backward_weights, plans.weights);
  if (wanted.backward_data) take(CudnnPass::backward_data, plans.data);
  return plans;
}

}  // namespace alexnet
