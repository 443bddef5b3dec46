// Splits a network into two towers (paper, section 3.2): half of each layer's kernels per device.
#include "core/errors.h"
#include "graph/passes.h"

namespace alexnet {
namespace {

std::string half(const std::string& name, int tower) { return format("{}/{}", name, tower); }

class Splitter {
 public:
  Splitter(const Description& in, const std::map<std::string, Shape>& shapes)
      : in_(in), shapes_(shapes) {
    for (const LayerDesc& layer : in.layers) towers_[layer.name] = layer.towers;
    towers_[kData] = 1;
  }

  Description run() {
    out_.input = in_.input;
    for (const LayerDesc& layer : in_.layers) {
      if (layer.towers == 1) {
        LayerDesc copy = layer;
        for (std::string& input : copy.inputs) input = whole_input(input, layer.device);
        out_.layers.push_back(std::move(copy));
      } else {
        for (int tower = 0; tower < 2; ++tower) out_.layers.push_back(part(layer, tower));
      }
    }
    return std::move(out_);
  }

 private:
  // The complete value on a device: itself, or the concatenation of its halves.
  std::string whole_input(const std::string& name, int device) {
    if (towers_.at(name) == 1) return name;
    const std::string joined = format("{}@{}", name, device);
    if (joined_.insert(joined).second) {
      LayerDesc concat;
      concat.name = concat.whole = joined;
      concat.type = "concat";
      concat.inputs = {half(name, 0), half(name, 1)};
      concat.device = device;
      out_.layers.push_back(std::move(concat));
    }
    return joined;
  }

  LayerDesc part(const LayerDesc& layer, int tower) {
    LayerDesc p = layer;
    p.name = half(layer.name, tower);
    p.tower = tower;
    p.parts = 2;
    p.device = tower;
    TowerHalf own = half_of(layer, tower);
    p.attrs = std::move(own.attrs);
    for (std::string& input : p.inputs) {
      const bool split = towers_.at(input) == 2;
      require<ConfigError>(split || own.reads_whole_input,
                           "layer '{}' is split into towers but its input '{}' is not", layer.name,
                           input);
      if (split) input = own.reads_whole_input ? whole_input(input, tower) : half(input, tower);
    }
    return p;
  }

  TowerHalf half_of(const LayerDesc& layer, int tower) const {
    const auto made = make_layer(layer.type, layer.name, DType::f32, layer.attrs);
    try {
      return made->half(tower, layer.attrs, shapes_.at(layer.name));
    } catch (const ConfigError& e) {
      fail<ConfigError>("layer '{}': {}", layer.name, e.what());
    }
  }

  const Description& in_;
  const std::map<std::string, Shape>& shapes_;
  std::map<std::string, int> towers_;
  std::set<std::string> joined_;
  Description out_;
};

std::string copy_name(const std::string& value, int device) {
  return format("{}->{}", value, device);
}

}  // namespace

Description split_towers(const Description& description,
                         const std::map<std::string, Shape>& shapes) {
  return Splitter(description, shapes).run();
}

Description insert_copies(const Description& description) {
  Description out;
  out.input = description.input;
  std::map<std::string, int> device_of;
  std::set<std::string> copied;
  const auto crosses = [&](const std::string& input, const LayerDesc& reader) {
    const auto found = device_of.find(input);
    return found != device_of.end() && found->second != reader.device;
  };
  // Before a layer waits for a copy, copies all existing values that later layers read: if a device
  // sent its half only after its next layer, the other device would wait for that layer too.
  const auto copy_all = [&](size_t next) {
    for (size_t i = next; i < description.layers.size(); ++i) {
      const LayerDesc& reader = description.layers[i];
      for (const std::string& input : reader.inputs) {
        if (!crosses(input, reader)) continue;
        const std::string name = copy_name(input, reader.device);
        if (!copied.insert(name).second) continue;
        LayerDesc copy;
        copy.name = copy.whole = name;
        copy.type = "copy";
        copy.inputs = {input};
        copy.device = reader.device;
        out.layers.push_back(std::move(copy));
      }
    }
  };
  for (size_t i = 0; i < description.layers.size(); ++i) {
    LayerDesc placed = description.layers[i];
    for (std::string& input : placed.inputs) {
      if (!crosses(input, placed)) continue;
      if (!copied.count(copy_name(input, placed.device))) copy_all(i);
      input = copy_name(input, placed.device);
    }
    device_of[placed.name] = placed.device;
    out.layers.push_back(std::move(placed));
  }
  return out;
}

}  // namespace alexnet
