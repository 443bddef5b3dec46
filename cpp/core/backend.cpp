#include "core/backend.h"

#include <algorithm>
#include <fstream>
#include <mutex>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/module.h"

namespace alexnet {
namespace {

std::vector<const BackendApi*>& table() {
  static std::vector<const BackendApi*> backends;
  return backends;
}

// CPU quota of the container in threads, rounded down but at least 1; 0: no quota.
int cgroup_threads() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::max(1, int(std::stod(quota) / period));
}

}  // namespace

void register_backend(const BackendApi* api) { table().push_back(api); }

const BackendApi& backend(DeviceKind kind) {
  for (const BackendApi* api : table())
    if (api->kind == kind) return *api;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  static const BackendApi* cuda = nullptr;
  if (!cuda) cuda = &load_module("alexnet_cuda", backend(DeviceKind::cpu).ops);
  const std::string missing = cuda->missing();
  require<UnavailableError>(missing.empty(), "{}", missing);
  return *cuda;
}

std::vector<const BackendApi*> backends() {
  std::vector<const BackendApi*> all = table();
  try {
    all.push_back(&backend(DeviceKind::cuda));
  } catch (const UnavailableError&) {  // backend() reports the reason when CUDA is requested
  }
  return all;
}

int available_threads() {
  int threads = int(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) threads = CPU_COUNT(&set);
#endif
  const int quota = cgroup_threads();
  return std::max(1, quota > 0 ? std::min(quota, threads) : threads);
}

}  // namespace alexnet
