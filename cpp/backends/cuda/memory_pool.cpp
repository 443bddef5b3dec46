#include "backends/cuda/memory_pool.h"

#include <cstdlib>
#include <string_view>

#include "backends/cuda/check.h"
#include "core/device_id.h"

namespace alexnet {
namespace {

// Sizes are rounded up, so that requests of similar size can reuse each other's memory.
size_t rounded(size_t bytes) {
  const size_t step = bytes < (size_t(1) << 20) ? 512 : size_t(2) << 20;
  return (bytes + step - 1) / step * step;
}

bool keeps_memory() {
  const char* value = std::getenv("ALEXNET_CUDA_CACHE");
  return !value || std::string_view(value) != "0";
}

}  // namespace

MemoryPool::MemoryPool(int device) : device_(device), keep_(keeps_memory()) {}

MemoryPool::~MemoryPool() { drop_cached(); }

void* MemoryPool::allocate(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const size_t wanted = keep_ ? rounded(bytes ? bytes : 1) : bytes ? bytes : 1;
  // At most an eighth too large: more would waste memory that other requests need.
  const auto found = cached_.lower_bound(wanted);
  if (found != cached_.end() && found->first <= wanted + wanted / 8) {
    void* data = found->second;
    used_[data] = found->first;
    cached_.erase(found);
    return data;
  }
  const OnDevice here(device_);
  void* data = nullptr;
  cudaError_t result = cudaMalloc(&data, wanted);
  if (result == cudaErrorMemoryAllocation && !cached_.empty()) {
    cudaGetLastError();
    drop_cached();
    result = cudaMalloc(&data, wanted);
  }
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    fail<DeviceError>(
        "cuda:{} is out of memory: {} MiB were requested, {} of {} MiB are free; use a smaller "
        "batch, or stop other programs on that GPU",
        device_, wanted >> 20, free >> 20, total >> 20);
  }
  check_cuda(result, "cudaMalloc");
  used_[data] = wanted;
  return data;
}

void MemoryPool::release(void* data) noexcept {
  if (!data) return;
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(data);
  if (found == used_.end()) return;
  if (keep_) {
    cached_.emplace(found->second, data);
  } else {
    cudaFree(data);
  }
  used_.erase(found);
}

void MemoryPool::drop_cached() noexcept {
  for (const auto& [bytes, data] : cached_) cudaFree(data);
  cached_.clear();
}

}  // namespace alexnet
