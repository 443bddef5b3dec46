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
  bool training;
  std::string feature;
  std::set<std::string> frozen;
  Executor executor;
  std::vector<void*> bound_to;
  std::unique_ptr<Replay> replay;  // of whole training steps, where a device gains by it
  bool asked_for_replay = false;
};

}  // namespace alexnet
