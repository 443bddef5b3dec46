#include <algorithm>

#include "core/errors.h"
#include "graph/passes.h"

namespace alexnet {

Description checked(Description d) {
  require<ConfigError>(!d.layers.empty(), "the network has no layers");
  require<ConfigError>(d.input.c > 0 && d.input.h > 0 && d.input.w > 0,
                       "the input must have at least one channel and pixel, got {}x{}x{}",
                       d.input.c, d.input.h, d.input.w);
  std::set<std::string> known = {kData};
  std::string previous = kData;
  for (LayerDesc& layer : d.layers) {
    require<ConfigError>(!layer.name.empty(), "a layer of type '{}' has no name", layer.type);
    require<ConfigError>(layer.name.find_first_of("./@ ") == std::string::npos,
                         "layer '{}': a name must not contain '.', '/', '@' or a blank",
                         layer.name);
    require_described(layer.type, layer.name);
    if (layer.inputs.empty()) layer.inputs = {previous};
    for (const std::string& input : layer.inputs)
      require<ConfigError>(known.count(input),
                           "layer '{}': input '{}' is not defined by an earlier layer", layer.name,
                           input);
    require<ConfigError>(
        layer.inputs.size() == 1 ||
            make_layer(layer.type, layer.name, DType::f32, layer.attrs)->joins_inputs(),
        "layer '{}': {} takes one input, got {}", layer.name, layer.type, layer.inputs.size());
    require<ConfigError>(known.insert(layer.name).second, "there are two layers named '{}'",
                         layer.name);
    require<ConfigError>(layer.towers == 1 || layer.towers == 2,
                         "layer '{}': towers must be 1 or 2, got {}", layer.name, layer.towers);
    layer.whole = layer.name;
    previous = layer.name;
  }
  return d;
}

std::map<std::string, Shape> output_shapes(const Description& description, Device& device,
                                           DType dtype, int images) {
  std::map<std::string, Shape> shapes;
  shapes[kData] = description.input;
  shapes[kData].n = images;
  for (const LayerDesc& layer : description.layers) {
    std::vector<Shape> in;
    for (const std::string& input : layer.inputs) in.push_back(shapes.at(input));
    Attrs attrs = layer.attrs;
    attrs.erase("engine");  // a named engine may need a layout that only a program provides
    try {
      const auto made = make_layer(layer.type, layer.name, dtype, attrs);
      shapes[layer.name] = made->plan({device, dtype}, in).outputs[0];
    } catch (const ShapeError& e) {
      fail<ShapeError>("layer '{}' ({}) with input {}: {}", layer.name, layer.type,
                       to_string(in[0]), e.what());
    }
  }
  return shapes;
}

}  // namespace alexnet
