// Runs a program on the streams of its devices. Enqueues everything; the caller synchronises.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/device.h"
#include "graph/program.h"

namespace alexnet {

// Where the values of a part of a parameter, or of a layer's state, live.
struct ParamViews {
  AnyView value, gradient;  // gradient: empty when frozen or not training; of state: its change
};

// Follows a run while it is enqueued.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void after(int instruction) = 0;  // it is on its stream
};

class Executor {
 public:
  Executor(Program program, const std::vector<Stream*>& streams);
  Executor(const Executor&) = delete;  // the operands refer to step_

  const Program& program() const { return program_; }

  // Enqueues the update of a parameter by its gradient.
  using Update = std::function<void(const ParamUse&, const AnyView& gradient)>;

  // Points every operand at its memory: one arena per device, and the parameters. `update`: of a
  // program that updates.
  void bind(const std::vector<void*>& arenas,
            const std::function<ParamViews(const ParamUse&)>& params, Update update = nullptr);

  AnyView view(int buffer) const;  // after bind()
  void run(const StepContext& step, RunObserver* observer = nullptr);
  // The same in two: what comes first gives the scores.
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
  std::vector<std::unique_ptr<Event>> events_;  // of the instructions that signal
  std::vector<void*> arenas_;
  StepContext step_;
  std::vector<std::unique_ptr<Bound>> bound_;
};

}  // namespace alexnet
