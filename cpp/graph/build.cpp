// Builds a program from planned nodes: lists the forward and backward instructions with the buffers
// that they read and write.
#include <algorithm>
#include <set>

#include "core/errors.h"
#include "graph/plan_nodes.h"

namespace alexnet {
namespace {

class Builder {
 public:
  Builder(PlannedNodes planned, const BuildOptions& options)
      : options_(options),
        program_(std::move(planned.program)),
        readers_(std::move(planned.readers)),
        producer_(std::move(planned.producer)) {}

  Program run() {
    for (const int input : program_.inputs) extend(input, 0);
    for (Node& node : program_.nodes) overwrite(node);
    if (options_.training) mark_trainable();
    for (Node& node : program_.nodes) prepare(node);
    for (int i = 0; i < int(program_.nodes.size()); ++i) forward(i);
    Node& last = program_.nodes.back();
    program_.output = last.out[0];
    if (last.plan.is_loss) program_.scores = last.saved[0];
    program_.forward_end = end();
    if (options_.training) {
      require<ConfigError>(last.plan.is_loss,
                           "training needs a loss, such as softmax, as the last layer, which is {} "
                           "('{}')",
                           last.type, last.name);
      for (int i = int(program_.nodes.size()) - 1; i >= 0; --i) backward(i);
    }
    if (last.plan.is_loss) {
      program_.labels =
          add_buffer(program_, "labels", {options_.images, 1, 1, 1}, DType::i32, last.device);
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

  // Extends the lifetime of a buffer, and of those whose memory it uses, to instruction `at`.
  void extend(int b, int at) {
    for (; b >= 0; b = program_.buffers[b].alias) {
      Buffer& buffer = program_.buffers[b];
      if (buffer.first < 0) buffer.first = at;
      buffer.last = std::max(buffer.last, at);
    }
  }

  // Whether the output may overwrite the input: the input is not read afterwards.
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

  // Decides whether the output overwrites the input and, if so, whether the layer is fused with the
  // previous one.
  void overwrite(Node& node) {
    if (node.absorbed_by >= 0 || !in_place(node)) return;
    program_.buffers[node.out[0]].alias = node.in[0];
    Node& producer = program_.nodes[producer_.at(node.in[0])];
    if (options_.fuse && producer.layer->absorb_output(node.layer->fusible()))
      runs_inside_.insert(node.out[0]);
  }

  void prepare(Node& node) {
    if (node.absorbed_by >= 0) return;
    WantedGradients wanted;
    for (const int b : node.in) wanted.d_in.push_back(needs_gradient_[b]);
    for (const ParamUse& p : node.params)
      wanted.d_params.push_back(options_.training && p.trainable);
    try {
      node.layer->prepare(wanted, node.plan);
    } catch (const ConfigError& e) {
      fail<ConfigError>("layer '{}': {}", node.name, e.what());
    }
    if (node.plan.workspace_bytes > 0) node.workspace = add_workspace(program_, node);
  }

  void forward(int index) {
    Node& node = program_.nodes[index];
    if (node.absorbed_by >= 0 || runs_inside_.count(node.out[0])) return;
    Instruction instruction{Instruction::Kind::forward, index};
    instruction.stream =
        node.layer->crosses_devices() ? program_.buffers[node.in[0]].device : node.device;
    append(instruction.reads, node.in);
    append(instruction.writes, node.out);
    append(instruction.writes, node.saved);
    append(instruction.writes, {node.workspace});
    emit(std::move(instruction));
  }

  // A value needs a gradient if its producer or a layer before it has a trainable parameter.
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
      const auto found =
          gradient_.find(b);  // a loss has none: its backward pass starts from the labels
      node.d_out.push_back(found == gradient_.end() ? -1 : found->second);
    }
    std::vector<std::pair<int, int>>
        sums;  // the gradient from another reader, and the buffer to add it to
    for (const int b : node.in) {
      if (!needs_gradient_[b]) {
        node.d_in.push_back(-1);
        continue;
      }
      const Buffer value =
          program_.buffers[b];  // copied, because add_buffer may reallocate the list
      const auto [total, first] = gradient_.insert({b, int(program_.buffers.size())});
      const int d = add_buffer(program_, format("d {}{}", value.name, first ? "" : " share"),
                               value.shape, value.dtype, value.device, value.block);
      node.d_in.push_back(d);
      if (!first) sums.push_back({d, total->second});
      if (first && node.plan.in_place && readers_.at(b) == 1 && node.d_out[0] >= 0)
        program_.buffers[d].alias = node.d_out[0];
    }
    if (node.plan.backward_reads_input) append(instruction.reads, node.in);
    if (node.plan.backward_reads_output) append(instruction.reads, node.out);
    append(instruction.reads, node.saved);
    append(instruction.reads, node.d_out);
    append(instruction.writes, node.d_in);
    if (options_.updates) add_gradients(node);
    append(instruction.writes, node.d_params);
    if (node.plan.workspace_bytes > 0) {
      node.backward_workspace = add_workspace(program_, node);
      instruction.writes.push_back(node.backward_workspace);
    }
    emit(std::move(instruction));
    update(index);
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

  void add_gradients(Node& node) {
    for (const ParamUse& p : node.params)
      node.d_params.push_back(!p.trainable
                                  ? -1
                                  : add_buffer(program_, format("d {}", p.name), p.spec.shape,
                                               compute_dtype(options_.dtype), node.device));
  }

  void update(int index) {
    Instruction instruction{Instruction::Kind::update, index};
    instruction.stream = program_.nodes[index].device;
    append(instruction.reads, program_.nodes[index].d_params);
    if (!instruction.reads.empty()) emit(std::move(instruction));
  }

  const BuildOptions& options_;
  Program program_;
  std::map<int, int> readers_, producer_, gradient_;
  std::map<int, bool> needs_gradient_;
  std::set<int> runs_inside_;  // outputs of layers that are fused with the previous one
};

}  // namespace

Program build_program(const Description& description, const std::vector<Device*>& devices,
                      const BuildOptions& options) {
  return Builder(plan_nodes(description, devices, options), options).run();
}

}  // namespace alexnet
