// A network on several groups of devices: data parallel training. Each replica computes a share of
// every batch. Gradients are summed over the replicas during the backward passes, and all replicas
// make the same update, so that their weights stay bit-identical.
//
// With one replica there is no communication.
#pragma once

#include <deque>

#include "train/gradient_reducer.h"
#include "train/replica.h"
#include "train/replica_threads.h"

namespace alexnet {

struct GradientTraffic {  // in each step
  int replicas = 1, buckets = 0;
  size_t bytes = 0;          // size of the gradients of one replica
  size_t device_bytes = 0;   // memory used on each device
  std::string communicator;  // title of the communicator
};

class Network {
 public:
  // `options.devices`: the devices of all replicas, in replica order.
  Network(const Description& description, const NetworkOptions& options, int replicas);
  ~Network();

  int count() const { return int(replicas_.size()); }
  const std::vector<std::string>& device_names() const { return options_.devices; }
  Replica& replica(int rank) { return *replicas_[size_t(rank)]; }
  // For values that are equal on all replicas: shapes, names.
  Replica& first() { return *replicas_[0]; }
  const Replica& first() const { return *replicas_[0]; }

  void set_update(const std::string& name, const UpdateRule& rule);
  void set_mean(const RawMean& mean);
  void read(const std::string& name, ParamKind kind, void* data);
  void write(const std::string& name, ParamKind kind, const void* data);

  // As Replica::forward_backward, with the batch divided among the replicas.
  StepResult forward_backward(const Batch& batch, uint64_t step, int64_t first_image,
                              int64_t total);
  void update();
  void forget_state_changes();  // of passes since the last update; blocking

  // One training step on a batch, which is computed in `parts` to save memory: the result is that
  // of the whole batch. next_result() returns the results of the steps in their order; at most two
  // steps may be waiting.
  //
  // Without `overlap` the step is complete on return, and a loss that is not finite changes no
  // parameter. With it the step is only enqueued: memory of the batch that the devices reach must
  // not be changed before the result is read, and the update is made whatever the loss. Several
  // replicas cannot overlap steps: a recorded step contains no sums of gradients.
  void begin_step(const Batch& batch, uint64_t step, int parts, bool overlap);
  StepResult next_result();  // blocking
  int waiting_steps() const { return int(begun_.size()); }
  bool overlaps() const { return !threads_ && first().overlaps(); }  // by default
  void predict(const Batch& batch, void* out);
  StepResult evaluate(const Batch& batch);
  void features(const Batch& batch, const std::string& layer, void* out);

  // Layers and totals of the first replica; devices and edges of all replicas.
  PlanInfo plan(int images, bool training, bool accumulates = false);
  GradientTraffic traffic() const;
  std::vector<std::string> program(int images, bool training);  // of the first replica

  void profile(bool on);
  bool is_profiled() const { return profiling_; }
  // The streams of the devices, then those that sum gradients.
  std::vector<ProfiledLane> take_profile();
  std::vector<Cost> costs(int images, bool training);

 private:
  struct Share {
    int first = 0, count = 0;
  };
  Share share(int rank, int images) const;
  static std::vector<Share> parts_of(int images, int parts);
  Batch part(const Batch& batch, const Share& share) const;
  StepResult complete_step(const Batch& batch, uint64_t step, int parts);
  void collect();
  void each(const std::function<void(int)>& work);
  template <class F>
  StepResult sum_of(F&& work);
  std::vector<Device*> peers(size_t device) const;
  const CommunicatorApi& chosen_communicator() const;
  void connect();  // creates the reducers if there are none
  void forget_gradients() noexcept;

  NetworkOptions options_;
  const CommunicatorApi* communicator_ = nullptr;  // null: one replica
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::vector<std::unique_ptr<GradientReducer>> reducers_;
  std::unique_ptr<ReplicaThreads> threads_;
  struct BegunStep {
    StepResult sum;
    int parts = 0;  // whose results have not been collected
  };
  std::deque<BegunStep> begun_;  // the oldest first
  bool profiling_ = false;
};

}  // namespace alexnet
