#include "graph/executor.h"

#include "ops/run.h"

namespace alexnet {
namespace {

void add_into(Stream& stream, const AnyView& from, const AnyView& to) {
  for_dtype(from.dtype, [&](auto t) { run(stream, Add<decltype(t)>{from, to}); });
}

}  // namespace

Executor::Executor(Program program, const std::vector<Stream*>& streams)
    : program_(std::move(program)), streams_(streams) {
  for (const Instruction& i : program_.instructions)
    events_.push_back(i.signals ? streams_[size_t(i.stream)]->make_event() : nullptr);
  for (size_t i = 0; i < program_.nodes.size(); ++i)
    bound_.push_back(
        std::make_unique<Bound>(Bound{.forward = {.step = step_}, .backward = {.step = step_}}));
}

AnyView Executor::view(int index) const {
  const Buffer& b = program_.buffers[size_t(index)];
  return {static_cast<char*>(arenas_[size_t(b.device)]) + b.offset, b.shape,
          streams_[size_t(b.device)]->device(), b.dtype, b.block};
}

void Executor::bind(const std::vector<void*>& arenas,
                    const std::function<ParamViews(const ParamUse&)>& params, Update update) {
  arenas_ = arenas;
  update_ = std::move(update);
  for (size_t i = 0; i < program_.nodes.size(); ++i)
    bind_node(program_.nodes[i], *bound_[i], params);
}

void Executor::bind_node(const Node& node, Bound& bound,
                         const std::function<ParamViews(const ParamUse&)>& params) {
  const auto views = [&](const std::vector<int>& buffers, const std::vector<int>& shapes_of) {
    std::vector<AnyView> out;
    for (size_t i = 0; i < buffers.size(); ++i) {
      out.push_back(view(buffers[i] >= 0 ? buffers[i] : shapes_of[i]));
      if (buffers[i] < 0) out.back().data = nullptr;
    }
    return out;
  };
  ForwardIO& f = bound.forward;
  BackwardIO& b = bound.backward;
  f.in = b.in = views(node.in, node.in);
  f.out = b.out = views(node.out, node.out);
  // The memory of values that backward does not read may have been reused by then.
  if (!node.plan.backward_reads_input)
    for (AnyView& v : b.in) v.data = nullptr;
  if (!node.plan.backward_reads_output)
    for (AnyView& v : b.out) v.data = nullptr;
  f.saved = b.saved = views(node.saved, node.saved);
  f.workspace = node.workspace < 0 ? nullptr : view(node.workspace).data;
  b.workspace = node.backward_workspace < 0 ? nullptr : view(node.backward_workspace).data;
  b.d_out = views(node.d_out, node.out);
  b.d_in = views(node.d_in, node.in);
  f.params.clear();
  b.d_params.clear();
  for (size_t i = 0; i < node.params.size(); ++i) {
    const ParamUse& use = node.params[i];
    const ParamViews p = params(use);
    f.params.push_back(p.value);
    b.d_params.push_back(!use.trainable          ? AnyView{}
                         : node.d_params.empty() ? p.gradient
                                                 : view(node.d_params[i]));
  }
  b.params = f.params;
  f.state.clear();
  f.state_change.clear();
  for (const ParamUse& use : node.state) {
    const ParamViews p = params(use);
    f.state.push_back(p.value);
    f.state_change.push_back(p.gradient);
  }
}

void Executor::run(const StepContext& step, RunObserver* observer) {
  step_ = step;
  run(0, int(program_.instructions.size()), observer);
}

void Executor::run_forward(const StepContext& step) {
  step_ = step;
  run(0, program_.forward_end, nullptr);
}

void Executor::run_backward() {
  run(program_.forward_end, int(program_.instructions.size()), nullptr);
}

void Executor::run(int first, int last, RunObserver* observer) {
  for (size_t i = size_t(first); i < size_t(last); ++i) {
    const Instruction& instruction = program_.instructions[i];
    const Node& node = program_.nodes[size_t(instruction.node)];
    Stream& stream = *streams_[size_t(instruction.stream)];
    const bool forward = instruction.kind == Instruction::Kind::forward;
    stream.set_label(node.name.c_str(), forward ? Phase::forward : Phase::backward);
    for (const int w : instruction.waits) stream.wait(*events_[size_t(w)]);
    switch (instruction.kind) {
      case Instruction::Kind::forward:
        node.layer->forward(stream, bound_[size_t(instruction.node)]->forward);
        break;
      case Instruction::Kind::backward:
        for (const int b : node.d_params)  // because layers accumulate
          if (b >= 0) stream.fill_zero(view(b));
        node.layer->backward(stream, bound_[size_t(instruction.node)]->backward);
        break;
      case Instruction::Kind::add:
        add_into(stream, view(instruction.add_from), view(instruction.add_to));
        break;
      case Instruction::Kind::update:
        for (size_t p = 0; p < node.params.size(); ++p)
          if (node.d_params[p] >= 0) update_(node.params[p], view(node.d_params[p]));
        break;
    }
    if (instruction.signals) stream.record(*events_[i]);
    if (observer) observer->after(int(i));
  }
}

}  // namespace alexnet
