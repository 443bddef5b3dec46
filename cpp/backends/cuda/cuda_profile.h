// Times the tasks of a stream with a pair of events around each.
#pragma once

#include <cuda_runtime.h>

#include <vector>

#include "backends/cuda/check.h"
#include "core/profile.h"

namespace alexnet {

class CudaProfile {
 public:
  CudaProfile(int device, cudaStream_t stream) : device_(device), stream_(stream) {}
  ~CudaProfile() {
    for (const cudaEvent_t event : events_) cudaEventDestroy(event);
  }
  CudaProfile(const CudaProfile&) = delete;

  // Blocks; relates the device's clock to that of the process.
  void start() {
    const OnDevice here(device_);
    records_.clear();
    used_ = 0;
    const cudaEvent_t origin = next();
    constexpr int64_t close = 100'000;  // nanoseconds
    constexpr int kTries = 10;          // the host may be interrupted between the two clocks
    for (int i = 0; i < kTries; ++i) {
      const int64_t before = profile_clock();
      ANX_CUDA(cudaEventRecord(origin, stream_));
      ANX_CUDA(cudaEventSynchronize(origin));
      origin_ = profile_clock();
      if (origin_ - before < close) break;
    }
  }
  void before() { ANX_CUDA(cudaEventRecord(next(), stream_)); }
  void after(const TaskRecord& record) {
    ANX_CUDA(cudaEventRecord(next(), stream_));
    records_.push_back(record);
  }
  // The records of all tasks, which must have finished.
  std::vector<TaskRecord> take() {
    for (size_t i = 0; i < records_.size(); ++i) {
      records_[i].start = time_of(events_[1 + 2 * i]);
      records_[i].end = time_of(events_[2 + 2 * i]);
    }
    std::vector<TaskRecord> taken = std::move(records_);
    start();
    return taken;
  }

 private:
  // The next event, in order; events are created once and reused.
  cudaEvent_t next() {
    if (used_ == events_.size()) {
      cudaEvent_t event = nullptr;
      ANX_CUDA(cudaEventCreateWithFlags(&event, cudaEventDefault));
      events_.push_back(event);
    }
    return events_[used_++];
  }
  int64_t time_of(cudaEvent_t event) const {
    float ms = 0;
    ANX_CUDA(cudaEventElapsedTime(&ms, events_[0], event));
    return origin_ + int64_t(double(ms) * 1e6);
  }

  int device_;
  cudaStream_t stream_;
  std::vector<cudaEvent_t> events_;  // the origin, then before and after each task
  size_t used_ = 0;
  int64_t origin_ = 0;  // time of events_[0] by profile_clock()
  std::vector<TaskRecord> records_;
};

}  // namespace alexnet
