// What a step has to compute and to move at least, layer by layer: the floor of a profile.
#pragma once

#include <string>
#include <vector>

#include "core/profile.h"
#include "graph/program.h"

namespace alexnet {

// Of one layer in one direction on one device, for the whole batch.
struct Cost {
  std::string label;  // as in the records of the stream: the layer, or the parameter (update)
  Phase phase = Phase::other;
  int device = 0;  // whose stream runs it
  std::string layer, type, engine;
  int64_t multiply_adds = 0;          // with all taps
  int64_t padding_multiply_adds = 0;  // those of them whose tap lies in the padding
  // Every operand once: activations, weights, gradients; workspace is not counted.
  int64_t bytes = 0;
};

// In the order of the program, then the updates.
std::vector<Cost> costs(const Program& program);

}  // namespace alexnet
