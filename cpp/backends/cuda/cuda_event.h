// A point in a CUDA stream's work. The handles take turns, so that another back end's stream can
// still wait for one record while the next is made.
#pragma once

#include <cuda_runtime.h>

#include "backends/cuda/check.h"
#include "core/device.h"

namespace alexnet {

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(int device) {
    const OnDevice here(device);
    for (cudaEvent_t& handle : handles_)
      ANX_CUDA(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming));
  }
  ~CudaEvent() override {
    for (const cudaEvent_t handle : handles_)
      if (handle) cudaEventDestroy(handle);
  }

  void record(cudaStream_t stream) {
    ++recorded_;
    ANX_CUDA(cudaEventRecord(last(), stream));
  }
  bool is_recorded() const { return recorded_ > 0; }
  cudaEvent_t last() const { return handles_[recorded_ % kHandles]; }

  std::function<void()> host_wait() override {
    if (!is_recorded()) return [] {};
    return [handle = last()] { ANX_CUDA(cudaEventSynchronize(handle)); };
  }

 private:
  static constexpr unsigned kHandles = 2;
  cudaEvent_t handles_[kHandles] = {};
  unsigned recorded_ = 0;
};

}  // namespace alexnet
