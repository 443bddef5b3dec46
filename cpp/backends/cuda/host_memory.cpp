#include "backends/cuda/host_memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "backends/cuda/check.h"

namespace alexnet {

// Never destroyed: Python may release arrays at the very end of the process.
HostMemory& host_memory() {
  static auto* memory = new HostMemory;
  return *memory;
}

void* HostMemory::allocate(DeviceId device, size_t bytes) {
  bytes = std::max(bytes, size_t(1));
  void* data = nullptr;
  cudaError_t result = cudaSuccess;
  {
    const OnDevice here(device.index);
    result = cudaMallocHost(&data, bytes);
  }
  if (result == cudaSuccess) {
    const std::lock_guard lock(mutex_);
    pinned_[static_cast<const char*>(data)] = bytes;
    return data;
  }
  if (result != cudaErrorMemoryAllocation) check_cuda(result, "cudaMallocHost");
  cudaGetLastError();
  if (posix_memalign(&data, 64, bytes) != 0)
    fail<DeviceError>(
        "the host is out of memory: {} MiB were requested for {}; use a smaller batch", bytes >> 20,
        to_string(device));
  const std::lock_guard lock(mutex_);
  if (!std::exchange(told_, true))
    std::fprintf(
        stderr,
        "alexnet-native: %zu MiB of host memory for %s could not be pinned: using ordinary "
        "memory, which needs one more copy per batch; a smaller batch or prefetch, or more "
        "memory, avoids this\n",
        (bytes + (size_t(1) << 20) - 1) >> 20, to_string(device).c_str());
  return data;
}

void HostMemory::release(void* data) noexcept {
  if (!data) return;
  bool pinned = false;
  {
    const std::lock_guard lock(mutex_);
    pinned = pinned_.erase(static_cast<const char*>(data)) > 0;
  }
  if (pinned) {
    cudaFreeHost(data);
  } else {
    std::free(data);
  }
}

bool HostMemory::is_pinned(const void* data, size_t bytes) const {
  const auto* at = static_cast<const char*>(data);
  const std::lock_guard lock(mutex_);
  const auto after = pinned_.upper_bound(at);
  if (after == pinned_.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return at + bytes <= begin + size;
}

}  // namespace alexnet
