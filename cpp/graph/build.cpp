// Builds a program: plans every layer for the batch, then lists the forward and backward
// instructions with the buffers that each reads and writes.
#include <algorithm>
#include <map>

#include "core/errors.h"
#include "graph/passes.h"

namespace alexnet {
namespace {

class Builder {
 public:
  Builder(const std::vector<Device*>& devices, const BuildOptions& options)
      : devices_(devices), options_(options) {
    program_.images = options.images;
    program_.training = options.training;
    program_.dtype = options.dtype;
    program_.inputs.assign(devices.size(), -1);
  }

  Program run(const Description& description) {
    for (const LayerDesc& layer : description.layers) plan_layer(description, layer);
    for (int i = 0; i < int(program_.nodes.size()); ++i) forward(i);
    Node& last = program_.nodes.back();
    program_.output = last.out[0];
    if (last.type == "softmax") program_.scores = last.saved[0];
    if (options_.training) {
      require<ConfigError>(last.type == "softmax",
                           "the last layer must be softmax to train, not {} ('{}')", last.type,
                           last.name);
      mark_trainable();
      for (int i = int(program_.nodes.size()) - 1; i >= 0; --i) backward(i);
    }
    if (last.type == "softmax") {
      program_.labels = buffer("labels", {options_.images, 1, 1, 1}, DType::i32, last.device);
      extend(program_.labels, 0);
      extend(program_.labels, end());
      extend(program_.scores, end());
    }
    extend(program_.output, end());
    for (const std::string& name : options_.keep) extend(program_.find(name), end());
    return std::move(program_);
  }

 private:
  int end() const { return int(program_.instructions.size()); }

  int buffer(const std::string& name, const Shape& shape, DType dtype, int device, int block = 1) {
    Buffer b;
    b.name = name;
    b.shape = shape;
    b.dtype = dtype;
    b.block = block;
    b.bytes = size_t(shape.count()) * size_of(dtype);
    b.device = device;
    program_.buffers.push_back(std::move(b));
    return int(program_.buffers.size()) - 1;
  }

  // The buffer lives until instruction `at` (and from it, if it is the first).
  void extend(int b, int at) {
    for (; b >= 0; b = program_.buffers[b].alias) {
      Buffer& buffer = program_.buffers[b];
      if (buffer.first < 0) buffer.first = at;
      buffer.last = std::max(buffer.last, at);
    }
  }

  int input_buffer(const Description& description, const std::string& name, int device) {
    if (name != kData) return value_.at(name);
    int& input = program_.inputs[device];
    if (input < 0) {
      Shape shape = description.input;
      shape.n = options_.images;
      input = buffer(device ? format("{}@{}", kData, device) : kData, shape,
                     compute_dtype(options_.dtype), device);
      extend(input, 0);
    }
    return input;
  }

  void plan_layer(const Description& description, const LayerDesc& layer) {
    std::vector<int> in;
    for (const std::string& name : layer.inputs)
      in.push_back(input_buffer(description, name, layer.device));
    for (const int b : in) {
      const int device = program_.buffers[b].device;
      require<DeviceError>(layer.type == "copy" || device == layer.device,
                           "layer '{}' on {} reads '{}' on {}: a copy is missing", layer.name,
                           to_string(devices_[size_t(layer.device)]->id()),
                           program_.buffers[b].name, to_string(devices_[size_t(device)]->id()));
    }
    auto made = make_layer(layer.type, layer.name, options_.dtype, layer.attrs);
    PlanContext context{*devices_[size_t(layer.device)], options_.dtype};
    context.reads_image = std::all_of(layer.inputs.begin(), layer.inputs.end(),
                                      [](const std::string& name) { return name == kData; });
    for (int& b : in) b = converted(b, layer.device);
    int given = program_.buffers[in[0]].block;
    for (const int b : in)
      if (program_.buffers[b].block != given) given = 1;
    context.block = made->input_block(given, program_.buffers[in[0]].shape, context);
    for (int& b : in) b = reordered(b, context.block, layer.device);
    value_[layer.name] = add_node(layer, std::move(made), context, in);
  }

  // The value in the network's dtype; one "cast" node for all its readers.
  int converted(int b, int device) {
    if (program_.buffers[b].dtype == options_.dtype) return b;
    return inserted("cast", name_of(options_.dtype), {}, b, device);
  }

  // The value in the wanted layout; one "reorder" node for all that want the same.
  int reordered(int b, int block, int device) {
    if (program_.buffers[b].block == block) return b;
    Attrs attrs;
    attrs.set("block", int64_t(block));
    return inserted("reorder", block > 1 ? "blocks" : "planes", attrs, b, device);
  }

  int inserted(const char* type, const char* form, const Attrs& attrs, int b, int device) {
    LayerDesc layer;
    layer.type = type;
    layer.name = layer.whole = format("{}@{}", program_.buffers[b].name, form);
    if (const auto found = value_.find(layer.name); found != value_.end()) return found->second;
    layer.device = device;
    layer.attrs = attrs;
    auto made = make_layer(layer.type, layer.name, options_.dtype, layer.attrs);
    const PlanContext context{*devices_[size_t(device)], options_.dtype, program_.buffers[b].block};
    return value_[layer.name] = add_node(layer, std::move(made), context, {b});
  }

  // Plans the layer and adds its node; returns the buffer of its output.
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
      shapes.push_back(program_.buffers[b].shape);
      ++readers_[b];
    }
    try {
      node.plan = node.layer->plan(context, shapes);
    } catch (const ShapeError& e) {
      fail<ShapeError>("layer '{}' ({}) with input {}: {}", layer.name, layer.type,
                       to_string(shapes[0]), e.what());
    }
    for (const ParamSpec& spec : node.plan.params) {
      const std::string name = format("{}.{}", layer.whole, spec.name);
      node.params.push_back({name, spec, layer.tower, layer.parts, !options_.frozen.count(name)});
    }
    const DType compute = compute_dtype(options_.dtype);
    const DType output = node.plan.compute_outputs ? compute : options_.dtype;
    for (const Shape& shape : node.plan.outputs) {
      const int b = buffer(layer.name, shape, output, layer.device, node.plan.block);
      node.out.push_back(b);
      producer_[b] = int(program_.nodes.size());
    }
    const int out = node.out[0];
    for (size_t i = 0; i < node.plan.saved.size(); ++i)
      node.saved.push_back(buffer(format("{} saved {}", layer.name, i), node.plan.saved[i], compute,
                                  layer.device, node.plan.block));
    if (node.plan.workspace_bytes > 0) node.workspace = workspace(node);
    program_.nodes.push_back(std::move(node));
    return out;
  }

  int workspace(const Node& node) {
    const int b = buffer(node.name + " workspace", {0, 0, 0, 0}, options_.dtype, node.device);
    program_.buffers[b].bytes = node.plan.workspace_bytes;
    return b;
  }

  // The output may overwrite the input when nobody reads the input afterwards.
  bool in_place(const Node& node) const {
    if (!node.plan.in_place || node.in.size() != 1) return false;
    const int in = node.in[0];
    const auto producer = producer_.find(in);
    if (producer == producer_.end() || readers_.at(in) != 1) return false;
    if (options_.keep.count(program_.buffers[in].name)) return false;
    return !options_.training || (!node.plan.backward_reads_input &&
                                  !program_.nodes[producer->second].plan.backward_reads_output);
  }

  void emit(Instruction instruction) {
    const int at = end();
    for (const int b : instruction.reads) extend(b, at);
    for (const int b : instruction.writes) extend(b, at);
    program_.instructions.push_back(std::move(instruction));
  }

  static void append(std::vector<int>& to, const std::vector<int>& from) {
    for (const int b : from)
      if (b >= 0) to.push_back(b);
  }

  void forward(int index) {
    Node& node = program_.nodes[index];
    if (in_place(node)) {
      program_.buffers[node.out[0]].alias = node.in[0];
      Node& producer = program_.nodes[producer_.at(node.in[0])];
      if (options_.fuse && node.type == "relu" && producer.layer->absorb_relu()) return;
    }
    Instruction instruction{Instruction::Kind::forward, index};
    // A copy runs where its source is.
    instruction.stream = node.type == "copy" ? program_.buffers[node.in[0]].device : node.device;
    append(instruction.reads, node.in);
    append(instruction.writes, node.out);
    append(instruction.writes, node.saved);
    append(instruction.writes, {node.workspace});
    emit(std::move(instruction));
  }

  // A value needs its gradient when a parameter that learns lies at or before its producer.
  void mark_trainable() {
    for (const Node& node : program_.nodes) {
      bool needs = false;
      for (const ParamUse& p : node.params) needs |= p.trainable;
      for (const int b : node.in) needs |= needs_gradient_[b];
      for (const int b : node.out) needs_gradient_[b] = needs;
    }
  }

  void backward(int index) {
    Node& node = program_.nodes[index];
    const bool is_last = index + 1 == int(program_.nodes.size());
    if (!needs_gradient_[node.out[0]] || !(is_last || gradient_.count(node.out[0]))) return;
    Instruction instruction{Instruction::Kind::backward, index};
    instruction.stream = node.device;
    for (const int b : node.out) {
      const auto found = gradient_.find(b);  // the softmax has none: it starts from the labels
      node.d_out.push_back(found == gradient_.end() ? -1 : found->second);
    }
    std::vector<std::pair<int, int>> sums;  // a second reader's share, and where it goes
    for (const int b : node.in) {
      if (!needs_gradient_[b]) {
        node.d_in.push_back(-1);
        continue;
      }
      const Buffer value = program_.buffers[b];  // a copy: the list grows
      const auto [total, first] = gradient_.insert({b, int(program_.buffers.size())});
      const int d = buffer(format("d {}{}", value.name, first ? "" : " share"), value.shape,
                           value.dtype, value.device, value.block);
      node.d_in.push_back(d);
      if (!first) sums.push_back({d, total->second});
      if (first && node.plan.in_place && readers_.at(b) == 1 && node.d_out[0] >= 0 &&
          node.type != "copy")
        program_.buffers[d].alias = node.d_out[0];
    }
    if (node.plan.backward_reads_input) append(instruction.reads, node.in);
    if (node.plan.backward_reads_output) append(instruction.reads, node.out);
    append(instruction.reads, node.saved);
    append(instruction.reads, node.d_out);
    append(instruction.writes, node.d_in);
    if (node.plan.workspace_bytes > 0) {
      node.backward_workspace = workspace(node);
      instruction.writes.push_back(node.backward_workspace);
    }
    emit(std::move(instruction));
    for (const auto& [share, total] : sums) {
      Instruction add{Instruction::Kind::add, index};
      add.stream = program_.buffers[total].device;
      add.add_from = share;
      add.add_to = total;
      add.reads = {share};
      add.writes = {total};
      emit(std::move(add));
    }
  }

  const std::vector<Device*>& devices_;
  const BuildOptions& options_;
  Program program_;
  std::map<std::string, int> value_;
  std::map<int, int> readers_, producer_, gradient_;
  std::map<int, bool> needs_gradient_;
};

}  // namespace

Program build_program(const Description& description, const std::vector<Device*>& devices,
                      const BuildOptions& options) {
  return Builder(devices, options).run(description);
}

}  // namespace alexnet
