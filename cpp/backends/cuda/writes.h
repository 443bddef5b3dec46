// What streams of other back ends write to a CUDA device's memory.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <mutex>

#include "core/view.h"

namespace alexnet {

// By a stream of its own: cudaMemcpy returns when it has read ordinary memory, maybe before the
// bytes have arrived, and the streams of this library do not wait for the one that it works on.
class Writes {
 public:
  explicit Writes(int device) : device_(device) {}
  ~Writes();
  Writes(const Writes&) = delete;

  void write(const void* host, const AnyView& dst);  // blocking, from any thread

 private:
  int device_;
  std::once_flag made_;  // with the first write: most devices see none
  cudaStream_t stream_ = nullptr;
};

// Those to a device, which all who ask share; they go with the last of them.
std::shared_ptr<Writes> writes_to(int device);

}  // namespace alexnet
