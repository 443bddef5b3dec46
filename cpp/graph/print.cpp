#include "core/errors.h"
#include "graph/passes.h"

namespace alexnet {
namespace {

const char* kind_name(Instruction::Kind kind) {
  switch (kind) {
    case Instruction::Kind::forward:
      return "forward";
    case Instruction::Kind::backward:
      return "backward";
    case Instruction::Kind::add:
      return "add";
    case Instruction::Kind::update:
      return "update";
  }
  return "";
}

std::string places(const Program& program, const std::vector<int>& buffers) {
  std::string text;
  for (const int b : buffers) {
    const Buffer& buffer = program.buffers[size_t(b)];
    text += format("{}{} at {}:{}", text.empty() ? "" : ", ", buffer.name, buffer.device,
                   buffer.offset);
  }
  return text;
}

// The name of the node, with those of the nodes fused into it.
std::string title(const Program& program, int node) {
  std::string text = program.nodes[size_t(node)].name;
  for (const Node& other : program.nodes)
    if (other.absorbed_by == node) text = format("{}+{}", other.name, text);
  return text;
}

}  // namespace

std::vector<std::string> print(const Program& program) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const Instruction& in = program.instructions[i];
    std::string waits;
    for (const int w : in.waits) waits += format(" {}", w);
    lines.push_back(format("{}: stream {} {} {} | reads {} | writes {}{}{}", i, in.stream,
                           kind_name(in.kind), title(program, in.node), places(program, in.reads),
                           places(program, in.writes), waits.empty() ? "" : " | waits for", waits));
  }
  return lines;
}

}  // namespace alexnet
