// Plans every layer of a description for the batch: nodes with their buffers and layouts.
#include "graph/plan_nodes.h"

#include <algorithm>

#include "core/errors.h"

namespace alexnet {
namespace {

class Planner {
 public:
  Planner(const std::vector<Device*>& devices, const BuildOptions& options)
      : devices_(devices), options_(options) {
    Program& program = planned_.program;
    program.images = options.images;
    program.training = options.training;
    program.dtype = options.dtype;
    program.inputs.assign(devices.size(), -1);
  }

  PlannedNodes run(const Description& description) {
    for (const LayerDesc& layer : description.layers)
      for (const std::string& name : layer.inputs) ++uses_[name];
    for (const LayerDesc& layer : description.layers) plan_layer(description, layer);
    return std::move(planned_);
  }

 private:
  int input_buffer(const Description& description, const std::string& name, int device) {
    if (name != kData) return value_.at(name);
    int& input = planned_.program.inputs[device];
    if (input < 0) {
      Shape shape = description.input;
      shape.n = options_.images;
      input = add_buffer(planned_.program, device ? format("{}@{}", kData, device) : kData, shape,
                         compute_dtype(options_.dtype), device);
    }
    return input;
  }

  void plan_layer(const Description& description, const LayerDesc& layer) {
    std::vector<int> in;
    for (const std::string& name : layer.inputs)
      in.push_back(input_buffer(description, name, layer.device));
    auto made = make_layer(layer.type, layer.name, options_.dtype, layer.attrs);
    for (const int b : in) {
      const int device = planned_.program.buffers[b].device;
      require<DeviceError>(made->crosses_devices() || device == layer.device,
                           "layer '{}' is on {} but its input '{}' is on {}; insert a copy",
                           layer.name, to_string(devices_[size_t(layer.device)]->id()),
                           planned_.program.buffers[b].name,
                           to_string(devices_[size_t(device)]->id()));
    }
    PlanContext context{*devices_[size_t(layer.device)], options_.dtype};
    context.training = options_.training;
    context.reads_image = std::all_of(layer.inputs.begin(), layer.inputs.end(),
                                      [](const std::string& name) { return name == kData; });
    for (int& b : in) b = converted(b, layer.device);
    if (in.size() == 1 && uses_[layer.inputs[0]] == 1) in[0] = absorbing(*made, in[0]);
    int given = planned_.program.buffers[in[0]].block;
    for (const int b : in)
      if (planned_.program.buffers[b].block != given) given = 1;
    context.block = made->input_block(given, planned_.program.buffers[in[0]].shape, context);
    for (int& b : in) b = reordered(b, context.block);
    value_[layer.name] = add_node(layer, std::move(made), context, in);
  }

  // The buffer that `layer` reads in place of `b` if b's producer is fused into it, else b.
  int absorbing(Layer& layer, int b) {
    const auto found = planned_.producer.find(b);
    if (!options_.fuse || found == planned_.producer.end()) return b;
    if (options_.keep.count(planned_.program.buffers[b].name)) return b;
    Node& producer = planned_.program.nodes[size_t(found->second)];
    if (!layer.absorb_input(producer.layer->fusible())) return b;
    producer.absorbed_by = int(planned_.program.nodes.size());
    --planned_.readers[producer.in[0]];
    return producer.in[0];
  }

  // The value in the network's dtype. All readers share one "cast" node.
  int converted(int b, int device) {
    if (planned_.program.buffers[b].dtype == options_.dtype) return b;
    return inserted("cast", name_of(options_.dtype), {}, b, device);
  }

  // The value in channel blocks of `block`, on its device. All readers of that layout share one
  // "reorder" node.
  int reordered(int b, int block) {
    if (planned_.program.buffers[b].block == block) return b;
    Attrs attrs;
    attrs.set("block", int64_t(block));
    const int device = planned_.program.buffers[b].device;
    return inserted("reorder", block > 1 ? "blocks" : "planes", attrs, b, device);
  }

  int inserted(const char* type, const char* form, const Attrs& attrs, int b, int device) {
    LayerDesc layer;
    layer.type = type;
    layer.name = layer.whole = format("{}@{}", planned_.program.buffers[b].name, form);
    if (const auto found = value_.find(layer.name); found != value_.end()) return found->second;
    layer.device = device;
    layer.attrs = attrs;
    auto made = make_layer(layer.type, layer.name, options_.dtype, layer.attrs);
    const PlanContext context{*devices_[size_t(device)], options_.dtype,
                              planned_.program.buffers[b].block};
    const int out = add_node(layer, std::move(made), context, {b});
    planned_.program.nodes.back().converts = true;
    return value_[layer.name] = out;
  }

  // Plans the layer and adds its node. Returns the buffer of its output.
  int add_node(const LayerDesc& layer, std::unique_ptr<Layer> made, const PlanContext& context,
               const std::vector<int>& in) {
    Node node;
    node.name = layer.name;
    node.whole = layer.whole;
    node.type = layer.type;
    node.device = layer.device;
    node.part = layer.tower;
    node.parts = layer.parts;
    node.layer = std::move(made);
    node.in = in;
    std::vector<Shape> shapes;
    for (const int b : in) {
      shapes.push_back(planned_.program.buffers[b].shape);
      ++planned_.readers[b];
    }
    try {
      node.plan = node.layer->plan(context, shapes);
    } catch (const ShapeError& e) {
      fail<ShapeError>("layer '{}' ({}) with input {}: {}", layer.name, layer.type,
                       to_string(shapes[0]), e.what());
    } catch (const ConfigError& e) {
      fail<ConfigError>("layer '{}': {}", layer.name, e.what());
    }
    for (const ParamSpec& spec : node.plan.params) {
      const std::string name = format("{}.{}", layer.whole, spec.name);
      node.params.push_back({name, spec, layer.tower, layer.parts, !options_.frozen.count(name)});
    }
    for (const ParamSpec& spec : node.plan.state)
      node.state.push_back(
          {format("{}.{}", layer.whole, spec.name), spec, layer.tower, layer.parts, false, true});
    const DType compute = compute_dtype(options_.dtype);
    const DType output = node.plan.compute_outputs ? compute : options_.dtype;
    for (const Shape& shape : node.plan.outputs) {
      const int b =
          add_buffer(planned_.program, layer.name, shape, output, layer.device, node.plan.block);
      node.out.push_back(b);
      planned_.producer[b] = int(planned_.program.nodes.size());
    }
    const int out = node.out[0];
    for (size_t i = 0; i < node.plan.saved.size(); ++i)
      node.saved.push_back(add_buffer(planned_.program, format("{} saved {}", layer.name, i),
                                      node.plan.saved[i], compute, layer.device, node.plan.block));
    planned_.program.nodes.push_back(std::move(node));
    return out;
  }

  const std::vector<Device*>& devices_;
  const BuildOptions& options_;
  PlannedNodes planned_;
  std::map<std::string, int> value_, uses_;
};

}  // namespace

int add_buffer(Program& program, const std::string& name, const Shape& shape, DType dtype,
               int device, int block) {
  Buffer b;
  b.name = name;
  b.shape = shape;
  b.dtype = dtype;
  b.block = block;
  b.bytes = size_t(shape.count()) * size_of(dtype);
  b.device = device;
  program.buffers.push_back(std::move(b));
  return int(program.buffers.size()) - 1;
}

int add_workspace(Program& program, const Node& node) {
  const int b =
      add_buffer(program, node.name + " workspace", {0, 0, 0, 0}, program.dtype, node.device);
  program.buffers[b].bytes = node.plan.workspace_bytes;
  return b;
}

PlannedNodes plan_nodes(const Description& description, const std::vector<Device*>& devices,
                        const BuildOptions& options) {
  return Planner(devices, options).run(description);
}

}  // namespace alexnet
