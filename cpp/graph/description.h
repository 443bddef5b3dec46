// A network as its author wrote it: layers by name, in order, each after its inputs.
#pragma once

#include <string>
#include <vector>

#include "core/shape.h"
#include "layers/attrs.h"

namespace alexnet {

inline constexpr const char* kData = "data";  // the name of the network's input

struct LayerDesc {
  std::string name, type;
  std::vector<std::string> inputs;  // empty: the layer before
  Attrs attrs;
  int towers = 1;  // 2: split in halves when the network runs on two devices
  int device = 0;  // index among the network's devices

  // Set by split_towers: the layer of the description that this one is a part of.
  std::string whole;
  int tower = 0, parts = 1;
};

struct Description {
  Shape input;  // n = 1
  std::vector<LayerDesc> layers;
};

}  // namespace alexnet
