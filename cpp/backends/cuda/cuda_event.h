// A point in a CUDA stream's work. A stream of another back end waits for the CUDA event only when
// it reaches the wait, which may be after further calls of record(). Until then that CUDA event is
// not recorded again; record() uses another one.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <memory>
#include <vector>

#include "backends/cuda/check.h"
#include "core/device.h"

namespace alexnet {

class CudaEvent final : public Event {
 public:
  explicit CudaEvent(int device) : device_(device), last_(std::make_shared<Handle>(device)) {
    handles_.push_back(last_);
  }

  void record(cudaStream_t stream) {
    recorded_ = true;
    if (last_->waiting.load(std::memory_order_acquire) > 0) last_ = another();
    ANX_CUDA(cudaEventRecord(last(), stream));
  }
  bool is_recorded() const { return recorded_; }
  cudaEvent_t last() const { return last_->event; }

  std::function<void()> host_wait() override {
    if (!is_recorded()) return [] {};
    last_->waiting.fetch_add(1, std::memory_order_relaxed);
    const std::shared_ptr<Handle> held(last_.get(), [own = last_](Handle* handle) {
      handle->waiting.fetch_sub(1, std::memory_order_release);
    });
    return [held] { ANX_CUDA(cudaEventSynchronize(held->event)); };
  }

 private:
  struct Handle {
    explicit Handle(int device) {
      const OnDevice here(device);
      ANX_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    }
    ~Handle() { cudaEventDestroy(event); }
    Handle(const Handle&) = delete;

    cudaEvent_t event = nullptr;
    std::atomic<int> waiting = 0;  // number of pending waits of other back ends
  };

  std::shared_ptr<Handle> another() {
    for (const auto& handle : handles_)
      if (handle->waiting.load(std::memory_order_acquire) == 0) return handle;
    handles_.push_back(std::make_shared<Handle>(device_));
    return handles_.back();
  }

  int device_;
  std::vector<std::shared_ptr<Handle>> handles_;
  std::shared_ptr<Handle> last_;
  bool recorded_ = false;
};

}  // namespace alexnet
