// What several devices compute together. A communicator is one rank's part in it: what comm/* and
// back ends implement, and what the training with replicas uses.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/device.h"

namespace alexnet {

class Communicator {
 public:
  virtual ~Communicator() = default;

  // Enqueues on `stream`, of this rank's device: each value becomes its sum over all ranks, the
  // same bits on every rank. The ranks call it with equal shapes and types, in the same order, each
  // from a thread of its own: the call returns when every rank has made it. Until the work is done
  // on the streams of all ranks, nothing else may touch the values.
  virtual void all_reduce(Stream& stream, std::span<const AnyView> values) = 0;

  // From any thread: calls of all ranks, those that wait now among them, throw from here on.
  virtual void abort() noexcept = 0;
};

struct CommunicatorApi {
  const char* name;        // as users write it
  std::string (*title)();  // with its version, once nothing is missing
  // What keeps it from working between these devices and what to do, as a sentence; empty: nothing.
  std::string (*missing)(const std::vector<DeviceId>& devices);
  // One for each device, in the order of the ranks. `largest`: bytes of a call, at most.
  std::vector<std::unique_ptr<Communicator>> (*make)(const std::vector<Device*>& devices,
                                                     size_t largest);
  // What each device holds for it, as far as this library allocates it.
  size_t (*bytes)(int ranks, size_t largest);
};

// The one between any devices; by a static initialiser, before main. A back end may have another
// one between its own devices: BackendApi::communicator.
void register_communicator(const CommunicatorApi* api);
inline constexpr const char* kBuiltIn = "built-in";  // its name

// By name, between devices of these kinds. Throws ConfigError with the names there are.
const CommunicatorApi& communicator(const std::string& name, const std::vector<DeviceId>& devices);

}  // namespace alexnet
