// Runs a program on the streams of its devices. Only enqueues; the caller synchronises.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/device.h"
#include "graph/program.h"

namespace alexnet {

// The memory of a part of a parameter or of a layer's state.
struct ParamViews {
  AnyView value, gradient;  // gradient: empty if frozen or not training; for state, its change
};

// Called back while a run is being enqueued.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void after(int instruction) = 0;  // after it was enqueued
};

class Executor {
 public:
  Executor(Program program, const std::vector<Stream*>& streams);
  Executor(const Executor&) = delete;  // because operands refer to step_

  const Program& program() const { return program_; }

  // Enqueues the update of a parameter with its gradient.
  using Update = std::function<void(const ParamUse&, const AnyView& gradient)>;

  // Sets the memory of every operand: one arena per device, and the parameters. `update` is needed
  // if the program has update instructions.
  void bind(const std::vector<void*>& arenas,
            const std::function<ParamViews(const ParamUse&)>& params, Update update = nullptr);

  AnyView view(int buffer) const;  // after bind()
  void run(const StepContext& step, RunObserver* observer = nullptr);
  // run() in two halves; the scores are complete after the first.
  void run_forward(const StepContext& step);
  void run_backward();

 private:
  struct Bound {
    ForwardIO forward;
    BackwardIO backward;
  };
  void bind_node(const Node& node, Bound& bound,
                 const std::function<ParamViews(const ParamUse&)>& params);

  void run(int first, int last, RunObserver* observer);

  Program program_;
  Update update_;
  std::vector<Stream*> streams_;
  std::vector<std::unique_ptr<Event>> events_;  // by instruction; null if it does not signal
  std::vector<void*> arenas_;
  StepContext step_;
  std::vector<std::unique_ptr<Bound>> bound_;
};

}  // namespace alexnet
