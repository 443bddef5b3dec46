// A network's program for one batch size, bound to memory.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "graph/executor.h"
#include "train/network.h"

namespace alexnet {

struct Network::Compiled {
  int images;
  Work work;
  std::string feature;
  std::set<std::string> frozen;
  Executor executor;
  std::vector<void*> bound_to;
  // Training steps that are played again, where a device gains by it: parts of a batch that other
  // parts follow, and those that end with the update.
  struct Played {
    std::unique_ptr<Replay> replay;
    bool asked_for = false;
  };
  Played played[2] = {};
};

}  // namespace alexnet
