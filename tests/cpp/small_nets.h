// Descriptions of small networks for tests.
#pragma once

#include "graph/description.h"

namespace alexnet::test {

using Words = std::map<std::string, AttrValue>;

inline LayerDesc layer(const std::string& name, const std::string& type, const Words& words = {},
                       int towers = 1, const std::vector<std::string>& inputs = {}) {
  LayerDesc desc;
  desc.name = name;
  desc.type = type;
  desc.attrs = Attrs(words);
  desc.towers = towers;
  desc.inputs = inputs;
  return desc;
}

// A small version of the paper's network: conv2 within the towers, conv3 and the dense layers
// across them. `width` multiplies the channels of the convolutions: with 8, some are multiples of
// the vector length and some are not.
inline Description two_towers(int width = 1) {
  const auto n = [](int value) { return AttrValue(int64_t(value)); };
  const Words pool = {{"size", n(3)}, {"stride", n(2)}};
  const Words lrn = {{"size", n(3)}, {"alpha", 0.5}, {"groups", n(2)}};
  Description d;
  d.input = {1, 3, 31, 31};
  d.layers = {
      layer("conv1", "conv",
            {{"channels", n(8 * width)},
             {"kernel", n(5)},
             {"stride", n(2)},
             {"ceil", true},
             {"weight_std", 0.3}},
            2),
      layer("relu1", "relu", {}, 2),
      layer("norm1", "lrn", lrn, 2),
      layer("pool1", "max_pool", pool, 2),
      layer("conv2", "conv",
            {{"channels", n(12 * width)},
             {"kernel", n(3)},
             {"pad", n(1)},
             {"groups", n(2)},
             {"weight_std", 0.3},
             {"bias_value", 1.0}},
            2),
      layer("relu2", "relu", {}, 2),
      layer("conv3", "conv",
            {{"channels", n(10 * width)}, {"kernel", n(3)}, {"pad", n(1)}, {"weight_std", 0.2}}, 2),
      layer("relu3", "relu", {}, 2),
      layer("pool3", "max_pool", pool, 2),
      layer("fc6", "dense", {{"channels", n(14)}, {"weight_std", 0.2}}, 2),
      layer("relu6", "relu", {}, 2),
      layer("drop6", "dropout", {}, 2),
      layer("fc7", "dense", {{"channels", n(6)}, {"weight_std", 0.3}}, 2),
      layer("relu7", "relu", {}, 2),
      layer("fc8", "dense", {{"channels", n(5)}, {"weight_std", 0.3}}),
      layer("prob", "softmax"),
  };
  return d;
}

// Values with several readers, a layer without readers, and layers that run in place.
inline Description branches() {
  const auto n = [](int value) { return AttrValue(int64_t(value)); };
  Description d;
  d.input = {1, 2, 9, 9};
  d.layers = {
      layer("conv1", "conv", {{"channels", n(4)}, {"kernel", n(3)}, {"weight_std", 0.3}}),
      layer("left", "tanh", {}, 1, {"conv1"}),
      layer("right", "lrn", {{"size", n(3)}, {"alpha", 0.5}}, 1, {"conv1"}),
      layer("relu", "relu", {}, 1, {"right"}),
      layer("both", "sum", {}, 1, {"left", "relu", "conv1"}),
      layer("aside", "abs", {}, 1, {"left"}),
      layer("joined", "concat", {}, 1, {"both", "left"}),
      layer("part", "slice", {{"first", n(3)}, {"channels", n(4)}}),
      layer("drop", "dropout"),
      layer("fc", "dense", {{"channels", n(5)}, {"weight_std", 0.3}}),
      layer("prob", "softmax"),
  };
  return d;
}

}  // namespace alexnet::test
