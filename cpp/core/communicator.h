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
  // same bits on every rank and in every run. The ranks call it with equal shapes and types, in the
  // same order, each from a thread of its own: the call returns when every rank has made it. Until
  // the work is done on the streams of all ranks, nothing else may touch the values.
  virtual void all_reduce(Stream& stream, std::span<const AnyView> values) = 0;

  // From any thread: calls of all ranks, those that wait now among them, throw from here on.
  virtual void abort() noexcept = 0;
};

struct CommunicatorApi {
  const char* name;
  // One for each device, in the order of the ranks. `largest`: bytes of a call, at most.
  std::vector<std::unique_ptr<Communicator>> (*make)(const std::vector<Device*>& devices,
                                                     size_t largest);
  // What each device holds for it.
  size_t (*bytes)(int ranks, size_t largest);
};

void register_communicator(const CommunicatorApi* api);  // by a static initialiser, before main

// Between any devices.
const CommunicatorApi& communicator();

}  // namespace alexnet
