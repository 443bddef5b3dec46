// Writes of other back ends' streams to the memory of a CUDA device.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <mutex>

#include "core/view.h"

namespace alexnet {

// Uses a separate stream: for ordinary memory, cudaMemcpy may return before the data has arrived,
// and the streams of this library do not wait for the default stream that it uses.
class Writes {
 public:
  explicit Writes(int device) : device_(device) {}
  ~Writes();
  Writes(const Writes&) = delete;

  void write(const void* host, const AnyView& dst);  // blocks; may be called from any thread

 private:
  int device_;
  std::once_flag made_;  // the stream is created by the first write: most devices have none
  cudaStream_t stream_ = nullptr;
};

// The object for a device, shared by all callers and destroyed with the last of them.
std::shared_ptr<Writes> writes_to(int device);

}  // namespace alexnet
