// Copies between two CUDA devices.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <vector>

#include "core/device.h"

namespace alexnet {

class CudaEvent;

// Whether `from` can access the memory of `to`. The first call enables the access, or prints a
// message if that is not possible.
bool peer_access(int from, int to);

// A copy through pinned host memory, for devices without peer access: from the source to the host
// on the source's stream, then to the destination on a stream of the destination, in overlapping
// chunks.
class StagedCopy {
 public:
  StagedCopy(int from, int to);
  ~StagedCopy();
  StagedCopy(const StagedCopy&) = delete;

  int to() const { return to_; }
  // Later work on `stream` waits until the copy has finished.
  void copy(cudaStream_t stream, const void* src, void* dst, size_t bytes);

 private:
  struct Slot {
    void* host = nullptr;
    std::unique_ptr<CudaEvent> filled, emptied;
  };

  int from_, to_;
  cudaStream_t landing_ = nullptr;  // on the destination
  std::vector<Slot> slots_;
  size_t next_ = 0;
};

}  // namespace alexnet
