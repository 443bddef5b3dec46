// The description of a network: named layers in order, each after its inputs.
#pragma once

#include <string>
#include <vector>

#include "core/shape.h"
#include "layers/attrs.h"

namespace alexnet {

inline constexpr const char* kData = "data";  // the name of the network's input

struct LayerDesc {
  std::string name, type;
  std::vector<std::string> inputs;  // empty: the previous layer
  Attrs attrs;
  int towers = 1;  // 2: split into halves if the network runs on two devices
  int device = 0;  // index among the network's devices

  // Set by split_towers: the original layer of which this one is a part.
  std::string whole;
  int tower = 0, parts = 1;
};

struct Description {
  Shape input;  // n = 1
  std::vector<LayerDesc> layers;
};

}  // namespace alexnet
