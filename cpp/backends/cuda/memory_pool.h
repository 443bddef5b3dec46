// The memory of one device. What is released is kept for the next request of about that size:
// cudaMalloc and cudaFree wait for the whole device. ALEXNET_CUDA_CACHE=0 keeps nothing, so that
// compute-sanitizer and the simulator see every use after a release.
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

  void* allocate(size_t bytes);  // 256-byte aligned; throws DeviceError when full
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
