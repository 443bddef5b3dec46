// A training step as a CUDA graph. The first step is enqueued normally, so that everything that is
// created on first use exists. The second step is captured. From then on enqueueing a step only
// updates the kernel arguments that have changed, and one launch replays the graph. If the capture
// fails, all later steps are enqueued normally.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <memory>
#include <vector>

#include "core/device.h"

namespace alexnet {

class CudaStream;
class CudaEvent;

struct KernelLaunch {
  const char* what;  // name in a profile
  void* kernel;
  dim3 grid, block;
  size_t shared;
  void** arguments;
  const size_t* sizes;  // of the arguments, in bytes
  size_t count;
};

template <class T>
uint64_t key_bits(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<uint64_t>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::bit_cast<uint64_t>(double(value));
  } else {
    return uint64_t(value);
  }
}

// A hash of numbers, enums and pointers.
template <class... T>
uint64_t key_of(const T&... values) {
  uint64_t h = 14695981039346656037u;
  const auto add = [&h](uint64_t bits) {
    h = (h ^ bits) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
  };
  (add(key_bits(values)), ...);
  return h;
}

class CudaGraph final : public StepGraph {
 public:
  explicit CudaGraph(const std::vector<CudaStream*>& streams);
  ~CudaGraph() override;

  void begin() override;
  bool end() override;
  void cancel() noexcept override;
  bool give_up(const std::string& why) noexcept override;

  // Called by CudaStream::kernel and CudaStream::fixed.
  bool playing() const { return state_ == State::playing; }
  void record(cudaStream_t stream, const KernelLaunch& call);
  void record(uint64_t key);
  void play(const KernelLaunch& call);
  void play(uint64_t key);

 private:
  enum class State { first, recording, playing, broken };
  struct Entry {
    cudaGraphNode_t node = nullptr;  // null: recorded by CudaStream::fixed
    uint64_t key = 0;
    std::vector<std::byte> arguments;
  };

  void attach(CudaGraph* replay);
  void fork();
  void join();
  void drop();

  std::vector<CudaStream*> streams_;
  std::unique_ptr<CudaEvent> forked_;
  std::vector<std::unique_ptr<CudaEvent>> joined_;  // of all streams except the first
  State state_ = State::first;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t exec_ = nullptr;
  std::vector<Entry> entries_;
  size_t at_ = 0;
  bool differs_ = false, capturing_ = false;
};

}  // namespace alexnet
