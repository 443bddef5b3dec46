// A network on its devices: parameters, programs by batch size, and one training step.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/backend.h"
#include "graph/costs.h"
#include "graph/passes.h"
#include "train/device_augmenter.h"
#include "train/parameters.h"
#include "train/precision.h"
#include "train/step_queue.h"

namespace alexnet {

struct StepResult {  // sums over the images
  double loss = 0, top1 = 0, top5 = 0;
  int64_t images = 0;
  bool updated = false;  // of a training step: the parameters were updated

  StepResult& operator+=(const StepResult& part) {
    loss += part.loss;
    top1 += part.top1;
    top5 += part.top5;
    images += part.images;
    return *this;
  }
};

// Borrowed host memory: images in the network's compute type; labels, or null. Results have the
// compute type too.
struct Batch {
  const void* images = nullptr;
  const int32_t* labels = nullptr;
  int count = 0;
  std::optional<RawImages> raw;  // replaces `images`: records that are augmented on the device
  // Keeps the memory alive while an enqueued step reads it; may be null.
  std::shared_ptr<const void> owner;
};

struct NetworkOptions {
  std::vector<std::string> devices = {"cpu:0"};
  uint64_t seed = 0;
  Precision precision;
  int threads = 0;                        // in total; 0: all that this process may use
  bool fuse = true;                       // see BuildOptions
  std::string communicator = "built-in";  // for several replicas; see core/communicator.h
  bool shares_gradients = false;  // with other replicas: gradients are kept until the update
};

struct LayerInfo {
  std::string name, type, device, engine;
  Shape output;
  int64_t parameters = 0, multiply_adds = 0;
  size_t memory_bytes = 0;
  double weight_std = 0;
};

struct CrossEdge {
  std::string value, source, target;
  size_t forward_bytes = 0, backward_bytes = 0;
};

struct PlanInfo {
  std::vector<LayerInfo> layers;
  std::vector<CrossEdge> edges;
  std::vector<std::string> devices;
  std::vector<size_t> parameter_bytes, activation_bytes;
  int64_t parameters = 0, multiply_adds = 0;  // the latter for one image
};

// A task of a stream while the network was profiled; times from profile_clock().
struct ProfiledTask {
  std::string label, what;
  Phase phase;
  int64_t start, end;
};
struct ProfiledLane {
  std::string device;
  std::vector<ProfiledTask> tasks;  // in order
};

class GradientReducer;

// Inference mode, gradients of a batch, or a training step that includes the updates.
enum class Mode { inference, gradients, step };

class Replica {
 public:
  Replica(Description description, const NetworkOptions& options);
  ~Replica();

  const Shape& input() const { return description_.input; }
  Shape output() const { return output_; }
  // The type of images, parameters and results in host memory.
  DType compute_type() const { return compute_dtype(options_.precision.dtype); }
  std::vector<std::string> layer_names() const;
  Parameters& parameters() { return *parameters_; }
  void set_update(const std::string& name, const UpdateRule& rule);
  void set_mean(RawMean mean);  // for batches of raw images
  const std::vector<Device*>& devices() const { return device_list_; }
  const std::vector<Stream*>& streams() const { return stream_list_; }

  // `accumulates`: for training steps that accumulate the gradients of several passes.
  PlanInfo plan(int images, bool training, bool accumulates = false);
  std::vector<std::string> program(int images, bool training);

  // Adds the gradients of sum(loss) / total. `step` and `first_image` select the random draws. With
  // a reducer the gradients are summed over the replicas.
  StepResult forward_backward(const Batch& batch, uint64_t step, int64_t first_image, int64_t total,
                              GradientReducer* reducer = nullptr);
  void update();  // blocking
  // forward_backward() and update(); a loss that is not finite changes nothing. On CPUs each
  // parameter is updated as soon as its gradient is complete, which saves memory for gradients.
  StepResult train_step(const Batch& batch, uint64_t step);

  // Enqueues a step and returns: the gradients of a batch or of a part of it, as in
  // forward_backward(), and the update after the part that ends at `total`. The batch is copied,
  // except for memory that the devices access directly (Device::reaches), which must not change
  // until next_result() has returned the step's result. At most two steps may be waiting.
  // next_result() returns the result of the oldest step; blocking.
  void enqueue_step(const Batch& batch, uint64_t step, int64_t first_image, int64_t total);
  StepResult next_result();
  int waiting_steps() const;
  void drop_steps() noexcept;  // drops all waiting steps and their gradients; blocking
  bool overlaps() const;       // whether the devices benefit from enqueue_step()

  // Inference mode. `out`: (count, classes).
  void predict(const Batch& batch, void* out);
  StepResult evaluate(const Batch& batch);
  Shape feature_shape(const std::string& layer, int images) const;
  void features(const Batch& batch, const std::string& layer, void* out);

  void check_labels(const Batch& batch) const;
  void synchronize();

  // Whether the tasks enqueued from now on are recorded.
  void profile(bool on);
  std::vector<ProfiledLane> take_profile();  // the records since the last call
  std::vector<Cost> costs(int images, bool training);

 private:
  struct Compiled;

  Program build(int images, Mode mode, const std::set<std::string>& keep = {}) const;
  Compiled& compiled(int images, Mode mode, const std::string& feature = "");
  bool updates_at_once() const;
  Mode planned_mode(bool training, bool accumulates) const;
  StepContext training_context(uint64_t step, int64_t first_image, int64_t total) const;
  StepResult result_of(const void* scores, int images) const;
  void run_step(Compiled& compiled, const StepContext& context, bool updates);
  void await_each_other();
  StepResult run(Compiled& compiled, const Batch& batch, const StepContext& step,
                 GradientReducer* reducer = nullptr);
  template <class F>
  StepResult scores_of(Compiled& compiled, const Batch& batch, StepContext step, F&& work);
  std::vector<char> read(Compiled& compiled,
                         int buffer);  // in planes and the compute type; blocking
  void upload_images(const Executor& executor, const Batch& batch);
  void feed_images(const Executor& executor, const Batch& batch);
  Stream& stream_of(const Program& program, int buffer);
  void keep_records();
  void forget_records();

  Description description_;  // after checked()
  Description placed_;       // after split_towers() and insert_copies()
  NetworkOptions options_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Device*> device_list_;
  std::vector<Stream*> stream_list_;
  std::vector<std::unique_ptr<DeviceAugmenter>> augmenters_;
  RawMean mean_;
  std::map<std::string, Shape> shapes_;  // of the original layers, for one image
  Shape output_;
  std::unique_ptr<Parameters> parameters_;
  std::vector<Tensor> arenas_;
  // Reused by all steps, so that steps do not allocate.
  std::vector<void*> arena_data_;
  std::vector<char> scores_;
  std::list<std::unique_ptr<Compiled>> cache_;  // most recently used first
  std::unique_ptr<StepQueue> queue_;
  std::vector<std::unique_ptr<Event>> step_ends_;
  bool profiling_ = false;
  std::vector<ProfiledLane> lanes_;
};

}  // namespace alexnet
