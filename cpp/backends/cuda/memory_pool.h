// The memory of one device. Released memory is kept for later requests of similar size, because
// cudaMalloc and cudaFree synchronise the whole device. ALEXNET_CUDA_CACHE=0 disables this, so that
// compute-sanitizer and the simulator detect every use after release.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>

namespace alexnet {

class MemoryPool {
 public:
  explicit MemoryPool(int device);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;

  void* allocate(size_t bytes);  // 256-byte aligned; throws DeviceError if out of memory
  void release(void* data) noexcept;

 private:
  void drop_cached() noexcept;

  int device_;
  bool keep_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> used_;
  std::multimap<size_t, void*> cached_;  // by size
};

}  // namespace alexnet
