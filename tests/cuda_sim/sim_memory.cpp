// Memory: every allocation has an owner, and guard bytes around it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>

#include "sim.h"

#if defined(CUDA_SIM_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace cuda_sim {
namespace {

constexpr size_t kWall = 256;  // also keeps the alignment
constexpr unsigned char kBrick = 0xa5;
constexpr int kPinned = -2;

struct Allocation {
  size_t bytes;
  int owner;
  bool freed;
  bool filled = false;  // written by a device
};

std::mutex mutex;
std::map<uintptr_t, Allocation>& allocations() {  // never destroyed: memory is freed at the end too
  static auto* map = new std::map<uintptr_t, Allocation>;
  return *map;
}
std::deque<uintptr_t>&
grave() {  // freed but not yet returned to the system: later uses are detected
  static auto* list = new std::deque<uintptr_t>;
  return *list;
}
size_t in_use = 0, pinned = 0, in_grave = 0;
constexpr size_t kGrave = size_t(64) << 20;

std::string named(int owner) {
  return owner == kPinned ? "pinned memory" : "device " + std::to_string(owner);
}

auto find(uintptr_t at) {
  auto& all = allocations();
  auto found = all.upper_bound(at);
  if (found == all.begin()) return all.end();
  --found;
  return at < found->first + std::max<size_t>(found->second.bytes, 1) ? found : all.end();
}

cudaError_t allocate(void** data, size_t bytes, int owner) {
  const std::lock_guard lock(mutex);
  if (owner >= 0 && in_use + bytes > kTotal) return error(cudaErrorMemoryAllocation);
  const int most = environment("ALEXNET_SIM_PINNED_KIB", -1);
  if (owner == kPinned && most >= 0 && pinned + bytes > size_t(most) << 10)
    return error(cudaErrorMemoryAllocation);
  const size_t whole = (bytes + 2 * kWall + kWall - 1) / kWall * kWall;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(kWall, whole));
  if (!memory) return error(cudaErrorMemoryAllocation);
  std::memset(memory, kBrick, kWall);
  std::memset(memory + kWall + bytes, kBrick, whole - kWall - bytes);
#if defined(CUDA_SIM_ASAN)
  __asan_poison_memory_region(memory, kWall);
  __asan_poison_memory_region(memory + kWall + bytes, whole - kWall - bytes);
#endif
  *data = memory + kWall;
  allocations()[reinterpret_cast<uintptr_t>(*data)] = {bytes, owner, false};
  (owner >= 0 ? in_use : pinned) += bytes;
  count("allocation", 1);
  return cudaSuccess;
}

void check_walls(uintptr_t data, size_t bytes) {
  auto* memory = reinterpret_cast<unsigned char*>(data) - kWall;
  const size_t whole = (bytes + 2 * kWall + kWall - 1) / kWall * kWall;
#if defined(CUDA_SIM_ASAN)
  __asan_unpoison_memory_region(memory, kWall);
  __asan_unpoison_memory_region(memory + kWall + bytes, whole - kWall - bytes);
#endif
  for (size_t i = 0; i < whole; i = i + 1 == kWall ? kWall + bytes : i + 1)
    if (memory[i] != kBrick)
      die("memory was written outside an allocation of %zu bytes: byte %td %s it", bytes,
          i < kWall ? ptrdiff_t(kWall - i) : ptrdiff_t(i - kWall - bytes + 1),
          i < kWall ? "before" : "after");
}

void bury() {
  auto& all = allocations();
  while (in_grave > kGrave && !grave().empty()) {
    const uintptr_t data = grave().front();
    grave().pop_front();
    in_grave -= all[data].bytes;
    check_walls(data, all[data].bytes);
#if defined(CUDA_SIM_ASAN)
    __asan_unpoison_memory_region(reinterpret_cast<void*>(data), all[data].bytes);
#endif
    std::free(reinterpret_cast<void*>(data - kWall));
    all.erase(data);
  }
}

cudaError_t release(void* data, bool pinned_kind) {
  if (!data) return cudaSuccess;
  const std::lock_guard lock(mutex);
  const auto found = find(reinterpret_cast<uintptr_t>(data));
  if (found == allocations().end() || found->first != reinterpret_cast<uintptr_t>(data))
    die("memory was freed that had not been allocated");
  Allocation& a = found->second;
  if (a.freed) die("memory was freed twice");
  if ((a.owner == kPinned) != pinned_kind)
    die("%s was freed with the wrong function", named(a.owner).c_str());
  check_walls(found->first, a.bytes);
  if (pinned_kind) PinnedRead::check_free(data, a.bytes);
  std::memset(data, 0xff, a.bytes);
#if defined(CUDA_SIM_ASAN)
  __asan_poison_memory_region(data, a.bytes);
#endif
  a.freed = true;
  forget(data, a.bytes);
  (a.owner >= 0 ? in_use : pinned) -= a.bytes;
  in_grave += a.bytes;
  grave().push_back(found->first);
  bury();
  count("allocation", -1);
  return cudaSuccess;
}

}  // namespace

int owner(const void* data) {
  const std::lock_guard lock(mutex);
  const auto found = find(reinterpret_cast<uintptr_t>(data));
  return found == allocations().end() || found->second.owner == kPinned ? kHost
                                                                        : found->second.owner;
}

void check_range(const char* what, int device, const void* data, size_t bytes) {
  const std::lock_guard lock(mutex);
  const auto at = reinterpret_cast<uintptr_t>(data);
  const auto found = find(at);
  const bool known = found != allocations().end();
  if (device == kHost) {
    if (known && found->second.owner >= 0)
      die("%s uses memory of %s as host memory", what, named(found->second.owner).c_str());
    if (!known) return;
    if (found->second.freed) die("%s uses memory that has been freed", what);
    if (at + bytes > found->first + found->second.bytes)
      die("%s accesses %zu bytes past the end of %zu bytes of pinned memory", what,
          size_t(at + bytes - found->first - found->second.bytes), found->second.bytes);
    return;
  }
  if (!known) die("%s uses memory that is not allocated on device %d", what, device);
  const Allocation& a = found->second;
  if (a.freed) die("%s uses memory that has been freed", what);
  if (a.owner != device)
    die("%s on device %d uses memory of %s", what, device, named(a.owner).c_str());
  if (at + bytes > found->first + a.bytes)
    die("%s accesses %zu bytes past the end of an allocation of %zu bytes", what,
        size_t(at + bytes - found->first - a.bytes), a.bytes);
}

void check_argument(const char* what, int device, uintptr_t value) {
  const std::lock_guard lock(mutex);
  const auto found = find(value);
  if (found == allocations().end()) return;
  if (found->second.freed) die("%s uses memory that has been freed", what);
  if (found->second.owner != device)
    die("%s on device %d uses memory of %s", what, device, named(found->second.owner).c_str());
}

bool is_pinned_by_host(const void* data) {
  const std::lock_guard lock(mutex);
  const auto found = find(reinterpret_cast<uintptr_t>(data));
  return found != allocations().end() && found->second.owner == kPinned && !found->second.filled;
}

void device_writes(const void* host) {
  const std::lock_guard lock(mutex);
  const auto found = find(reinterpret_cast<uintptr_t>(host));
  if (found != allocations().end()) found->second.filled = true;
}

}  // namespace cuda_sim

using namespace cuda_sim;

cudaError_t cudaMalloc(void** data, size_t bytes) {
  return allocate(data, bytes, current_device());
}
cudaError_t cudaFree(void* data) { return release(data, false); }
cudaError_t cudaMallocHost(void** data, size_t bytes) { return allocate(data, bytes, kPinned); }
cudaError_t cudaFreeHost(void* data) { return release(data, true); }
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard lock(mutex);
  *total = kTotal;
  *free = kTotal - in_use;
  return cudaSuccess;
}
