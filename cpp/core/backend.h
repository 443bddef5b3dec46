// Back ends and how they are found. The CPU's registers itself; others are modules beside this
// library, opened on first use and never closed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/device.h"

namespace alexnet {

struct DeviceInfo {
  std::string name;         // "cpu:0"
  std::string description;  // threads, instruction set / GPU name, memory
  std::string kernels;      // the instruction set of its kernels
};

struct CommunicatorApi;

struct BackendApi {
  DeviceKind kind;
  const char* name;
  uint64_t ops;  // fingerprint of the ops that it was built with (ops/fingerprint.h)
  std::vector<DeviceInfo> (*devices)();
  // `threads` = CPU threads for this device.
  std::unique_ptr<Device> (*make_device)(DeviceId id, int threads);
  // What is missing on this machine and what to do, as a sentence; empty: nothing.
  std::string (*missing)();
  // Blocking, from any thread: how a stream of another back end writes to this one's memory.
  void (*write)(const void* host, const AnyView& dst);
  // An op (by index in AllOps) in the calling thread, done on return. Null: the device is not the
  // host.
  void (*run_here)(int index, const void* op, Grid grid);
  // Between devices of this back end, beside the built-in one. Null: there is none.
  const CommunicatorApi* communicator;
};

void register_backend(const BackendApi* api);  // returns before main; called by static initialisers
const BackendApi& backend(DeviceKind kind);  // throws UnavailableError: what is missing, what to do
std::vector<const BackendApi*> backends();   // those that work here

// CPU threads that this process may use: affinity and cgroup quota respected.
int available_threads();

}  // namespace alexnet
