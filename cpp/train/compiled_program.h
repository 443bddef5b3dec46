// A replica's program for one batch size, bound to memory.
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
  // Training steps that are replayed, where a device gains by it: parts of a batch that other
  // parts follow, and those that end with the update.
  struct Recorded {
    std::unique_ptr<StepGraph> graph;
    bool asked_for = false;
  };
  Recorded recorded[2] = {};
};

}  // namespace alexnet
