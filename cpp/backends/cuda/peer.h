// Copies between two CUDA devices.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <vector>

#include "core/device.h"

namespace alexnet {

class CudaEvent;

// Whether `from` reaches the memory of `to`; enabled on the first call, and where it cannot be, one
// line says so.
bool peer_access(int from, int to);

// A copy by way of pinned memory of the host, for devices that do not reach each other: down on the
// source's stream, up on a stream of the destination, in chunks that overlap.
class StagedCopy {
 public:
  StagedCopy(int from, int to);
  ~StagedCopy();
  StagedCopy(const StagedCopy&) = delete;

  int to() const { return to_; }
  // When `stream` is through with it, the copy is done.
  void copy(cudaStream_t stream, const void* src, void* dst, size_t bytes);

 private:
  struct Slot {
    void* host = nullptr;
    std::unique_ptr<CudaEvent> filled, emptied;
  };

  int from_, to_;
  cudaStream_t landing_ = nullptr;  // of the destination
  std::vector<Slot> slots_;
  size_t next_ = 0;
};

}  // namespace alexnet
