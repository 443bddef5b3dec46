// A stream of a CUDA device.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "backends/cuda/blas.h"
#include "backends/cuda/check.h"
#include "backends/cuda/cuda_event.h"
#include "backends/cuda/cuda_graph.h"
#include "backends/cuda/cuda_profile.h"
#include "core/device.h"

namespace alexnet {

class CudaDevice;
class CudnnHandle;
class StagedCopy;

class CudaStream final : public Stream {
 public:
  explicit CudaStream(CudaDevice& device);
  ~CudaStream() override;

  DeviceId device() const override;
  CudaDevice& owner() { return device_; }
  cudaStream_t handle() const { return handle_; }
  // Threads per block (a power of two), and the maximum useful number of blocks of a launch.
  int64_t block_threads() const;
  int64_t most_blocks() const;

  void launch(int index, const void* op, size_t size, Grid grid) override;
  void gemm(const Gemm& gemm) override;
  // `count` products whose operands are `stride_*` elements apart; 0: all use the same operand.
  void gemm_batch(const Gemm& gemm, int count, int64_t stride_a, int64_t stride_b,
                  int64_t stride_c);
  void fill_zero(AnyView dst) override;
  void copy(AnyView src, AnyView dst) override;
  void upload(const void* src, AnyView dst) override;
  void download(AnyView src, void* dst) override;
  std::unique_ptr<Event> make_event() override;
  void record(Event& event) override;
  void wait(Event& event) override;
  std::unique_ptr<StepGraph> make_step_graph(const std::vector<Stream*>& streams) override;
  void set_label(const char* label, Phase phase) override {
    label_ = label;
    phase_ = phase;
  }
  void profile(bool on) override;
  std::vector<TaskRecord> take_profile() override;
  void synchronize() override;

  // All work is enqueued by these two functions. Without a graph they call enqueue(handle). While a
  // graph records, they also record the call. While a graph replays, they compare the call with the
  // recorded one and enqueue nothing.
  //
  // The arguments of a kernel may change from one replay to the next.
  template <class F>
  void kernel(const KernelLaunch& call, F&& enqueue) {
    if (replay_ && replay_->playing()) return replay_->play(call);
    run(call.what, enqueue);
    if (replay_) replay_->record(handle_, call);
  }
  // For all other calls. `key` (key_of) must cover everything the call depends on; if it changes,
  // the graph is recorded again. `what`: name in a profile; null: not profiled.
  template <class F>
  void fixed(uint64_t key, const char* what, F&& enqueue) {
    if (replay_ && replay_->playing()) return replay_->play(key);
    run(what, enqueue);
    if (replay_) replay_->record(key);
  }
  void attach(CudaGraph* replay) { replay_ = replay; }
  // The cuDNN handle of this stream; created by the first engine that needs it.
  std::shared_ptr<CudnnHandle>& cudnn() { return cudnn_; }

 private:
  template <class F>
  void run(const char* what, F&& enqueue) {
    const OnDevice here(device().index);
    const bool timed = profiling_ && what && !replay_;  // a graph is a single launch
    try {
      if (timed) profile_->before();
      if constexpr (std::is_same_v<decltype(enqueue(handle_)), cudaError_t>) {
        check_cuda(enqueue(handle_), "a launch");
      } else {
        enqueue(handle_);
      }
      if (timed) profile_->after({label_, what, what == kWait ? Phase::wait : phase_});
    } catch (const Error& e) {
      fail<DeviceError>("{} on {}: {}", label_, to_string(device()), e.what());
    }
  }

  CudaDevice& device_;
  cudaStream_t handle_ = nullptr;
  static constexpr const char* kWait = "wait";
  const char* label_ = "";
  Phase phase_ = Phase::other;
  bool profiling_ = false;
  std::unique_ptr<CudaProfile> profile_;
  CudaGraph* replay_ = nullptr;
  std::unique_ptr<Blas> blas_;
  std::unique_ptr<StagedCopy> staged_;
  std::shared_ptr<CudnnHandle> cudnn_;
};

}  // namespace alexnet
