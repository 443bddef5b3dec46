// Selects the cuDNN plans of a convolution for the passes that will run. Does not include cuDNN's
// headers, so that it can be tested without them.
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
  // Null if the pass will not run. `fused` may also be null because `forward` replaces it.
  std::shared_ptr<Plan> forward, fused, data, weights;
  std::optional<CudnnPass> missing;  // the first required pass that has no plan
};

// `make(pass)` returns a shared plan, or null if there is none; it is only called for passes that
// will run. If there is no fused plan with bias and ReLU, they are applied after a plain forward
// pass.
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
