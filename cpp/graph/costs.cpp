#include "graph/costs.h"

namespace alexnet {
namespace {

int64_t bytes_of(const Program& program, const std::vector<int>& buffers) {
  int64_t total = 0;
  for (const int b : buffers) {
    const Buffer& buffer = program.buffers[size_t(b)];
    total += buffer.shape.count() * int64_t(size_of(buffer.dtype));  // a workspace has no shape
  }
  return total;
}

int64_t bytes_of(const Program& program, const ParamUse& use) {
  return use.spec.shape.count() * int64_t(size_of(program.dtype));
}

bool wants_input_gradient(const Node& node) {
  for (const int b : node.d_in)
    if (b >= 0) return true;
  return false;
}

// The number of products of the size of the forward pass that a layer computes.
int products(const Node& node, Instruction::Kind kind) {
  if (kind == Instruction::Kind::forward) return 1;
  if (kind == Instruction::Kind::add || node.params.empty()) return 0;
  return (node.params[0].trainable ? 1 : 0) + (wants_input_gradient(node) ? 1 : 0);
}

int64_t parameter_bytes(const Program& program, const Node& node, Instruction::Kind kind) {
  int64_t total = 0;
  for (const ParamUse& use : node.params) {
    const int64_t size = bytes_of(program, use);
    if (kind == Instruction::Kind::forward) total += size;
    if (kind != Instruction::Kind::backward) continue;
    if (use.trainable) total += size;                                          // written
    if (wants_input_gradient(node) && use.spec.name != "bias") total += size;  // read
  }
  return total;
}

Cost cost_of(const Program& program, const Instruction& instruction) {
  const Node& node = program.nodes[size_t(instruction.node)];
  const int count = products(node, instruction.kind);
  const bool forward = instruction.kind == Instruction::Kind::forward;
  return {.label = node.name,
          .phase = forward ? Phase::forward : Phase::backward,
          .device = instruction.stream,
          .layer = node.name,
          .type = node.type,
          .engine = node.plan.engine,
          .multiply_adds = count * node.plan.multiply_adds,
          .padding_multiply_adds = count * node.plan.padding_multiply_adds,
          .bytes = bytes_of(program, instruction.reads) + bytes_of(program, instruction.writes) +
                   parameter_bytes(program, node, instruction.kind)};
}

// Weight, velocity and gradient are read; weight and velocity are written.
Cost update_of(const Program& program, const Node& node, const ParamUse& use) {
  return {.label = use.name,
          .phase = Phase::update,
          .device = node.device,
          .layer = node.name,
          .type = node.type,
          .bytes = 5 * bytes_of(program, use)};
}

}  // namespace

std::vector<Cost> costs(const Program& program) {
  std::vector<Cost> out;
  for (const Instruction& instruction : program.instructions)
    out.push_back(cost_of(program, instruction));
  if (program.training)
    for (const Node& node : program.nodes)
      for (const ParamUse& use : node.params)
        if (use.trainable) out.push_back(update_of(program, node, use));
  return out;
}

}  // namespace alexnet
