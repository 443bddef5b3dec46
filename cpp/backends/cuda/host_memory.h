// Memory of the host that every CUDA device copies from and to without a detour: pinned memory. Of
// the whole process, as the devices that use it are not always the one that it was asked from.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include "core/device_id.h"

namespace alexnet {

class HostMemory {
 public:
  // Ordinary memory where the host can pin no more, which one line says once; 64-byte aligned.
  // Throws DeviceError where there is none of that either.
  void* allocate(DeviceId device, size_t bytes);
  void release(void* data) noexcept;
  bool is_pinned(const void* data, size_t bytes) const;  // all of it, in one allocation

 private:
  mutable std::mutex mutex_;
  std::map<const char*, size_t> pinned_;  // bytes, by their begin
  bool told_ = false;
};

HostMemory& host_memory();

}  // namespace alexnet
