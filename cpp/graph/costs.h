// The minimum arithmetic and memory traffic of a step by layer: the roofline of a profile.
#pragma once

#include <string>
#include <vector>

#include "core/profile.h"
#include "graph/program.h"

namespace alexnet {

// The cost of one layer in one phase on one device, for the whole batch.
struct Cost {
  std::string label;  // as in the stream's records: the layer or, for updates, the parameter
  Phase phase = Phase::other;
  int device = 0;  // index of the device whose stream runs it
  std::string layer, type, engine;
  int64_t multiply_adds = 0;          // including products with padding
  int64_t padding_multiply_adds = 0;  // of these, products with padding
  // Each operand is counted once: activations, weights, gradients; not workspace.
  int64_t bytes = 0;
};

// In program order, followed by the updates.
std::vector<Cost> costs(const Program& program);

}  // namespace alexnet
