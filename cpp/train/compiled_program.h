// A program of a replica for one batch size and mode, bound to memory.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "graph/executor.h"
#include "train/replica.h"

namespace alexnet {

struct Replica::Compiled {
  int images;
  Mode mode;
  std::string feature;
  std::set<std::string> frozen;
  Executor executor;
  std::vector<void*> bound_to;
  // Recorded training steps, if the device benefits from recording: index 0 for parts of a batch
  // that are followed by other parts, 1 for steps that end with the update.
  struct Recorded {
    std::unique_ptr<StepGraph> graph;
    bool asked_for = false;
  };
  Recorded recorded[2] = {};
};

}  // namespace alexnet
