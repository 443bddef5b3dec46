// Sums over several devices. A Communicator is the handle of one rank. comm/* and back ends
// implement it; training with replicas uses it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/device.h"

namespace alexnet {

class Communicator {
 public:
  virtual ~Communicator() = default;

  // Replaces each value by its sum over all ranks; the result has the same bits on every rank. The
  // work is enqueued on `stream`, a stream of this rank's device. Every rank must call this with
  // the same shapes and types, in the same order, from its own thread; the call returns once every
  // rank has called it. Nothing else may access the values until the work has finished on the
  // streams of all ranks.
  virtual void all_reduce(Stream& stream, std::span<const AnyView> values) = 0;

  // Makes all calls of all ranks throw, including those that are waiting now. May be called from
  // any thread.
  virtual void abort() noexcept = 0;
};

struct CommunicatorApi {
  const char* name;        // the name that users write
  std::string (*title)();  // name and version; may only be called if nothing is missing
  // Error message that says why it cannot be used between these devices and what to do; empty if it
  // can be used.
  std::string (*missing)(const std::vector<DeviceId>& devices);
  // Returns one communicator per device, in rank order. `largest`: maximum number of bytes of one
  // call of all_reduce().
  std::vector<std::unique_ptr<Communicator>> (*make)(const std::vector<Device*>& devices,
                                                     size_t largest);
  // Bytes that this library allocates for it on each device (not what a vendor library allocates).
  size_t (*bytes)(int ranks, size_t largest);
};

// Registers the communicator that works between any devices. Called by a static initialiser, before
// main. A back end may provide another one for its own devices: BackendApi::communicator.
void register_communicator(const CommunicatorApi* api);
inline constexpr const char* kBuiltIn = "built-in";  // name of the registered communicator

// Finds a communicator for these devices by name. Throws ConfigError with the available names.
const CommunicatorApi& communicator(const std::string& name, const std::vector<DeviceId>& devices);

}  // namespace alexnet
