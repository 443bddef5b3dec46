// The registry of back ends. The CPU back end registers itself; other back ends are shared
// libraries in the folder of this one, loaded on first use and never unloaded.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/device.h"

namespace alexnet {

struct DeviceInfo {
  std::string name;         // "cpu:0"
  std::string description;  // threads, instruction set / GPU name, memory
  std::string kernels;      // instruction set of its kernels
};

struct CommunicatorApi;

struct BackendApi {
  DeviceKind kind;
  const char* name;
  uint64_t ops;  // fingerprint of the ops it was built with (ops/fingerprint.h)
  std::vector<DeviceInfo> (*devices)();
  // `threads`: number of threads of a CPU device; ignored by GPUs.
  std::unique_ptr<Device> (*make_device)(DeviceId id, int threads);
  // Error message that says what is missing on this machine and what to do; empty if the back end
  // is available.
  std::string (*missing)();
  // Copies host memory to a buffer of this back end. Blocks; may be called from any thread. Streams
  // of other back ends use it to write to this back end's memory.
  void (*write)(const void* host, const AnyView& dst);
  // Runs op `index` of AllOps in the calling thread and returns when it has finished. Null if the
  // devices are not the host.
  void (*run_here)(int index, const void* op, Grid grid);
  // Communicator between devices of this back end, in addition to the built-in one. Null: none.
  const CommunicatorApi* communicator;
};

void register_backend(const BackendApi* api);  // called by static initialisers, before main
// Throws UnavailableError, whose message says what is missing and what to do.
const BackendApi& backend(DeviceKind kind);
std::vector<const BackendApi*> backends();  // the back ends that are available on this machine

// Number of CPU threads that this process may use, limited by its affinity and its cgroup quota.
int available_threads();

}  // namespace alexnet
