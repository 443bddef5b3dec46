// Pinned host memory, which every CUDA device copies to and from directly. One object for the whole
// process, since memory may be used by other devices than the one that allocated it.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include "core/device_id.h"

namespace alexnet {

class HostMemory {
 public:
  // 64-byte aligned. Returns ordinary memory if the host cannot pin more, and prints a warning
  // once. Throws DeviceError if the host is out of memory.
  void* allocate(DeviceId device, size_t bytes);
  void release(void* data) noexcept;
  bool is_pinned(const void* data, size_t bytes) const;  // all of it, in one allocation

 private:
  mutable std::mutex mutex_;
  std::map<const char*, size_t> pinned_;  // sizes in bytes by address
  bool told_ = false;
};

HostMemory& host_memory();

}  // namespace alexnet
