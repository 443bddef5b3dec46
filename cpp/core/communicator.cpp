#include "core/communicator.h"

#include "core/backend.h"
#include "core/errors.h"

namespace alexnet {
namespace {

const CommunicatorApi*& registered() {
  static const CommunicatorApi* api = nullptr;
  return api;
}

// The communicator of the back end that all devices belong to; null if they belong to several back
// ends or the back end has none.
const CommunicatorApi* own_of(const std::vector<DeviceId>& devices) {
  for (const DeviceId& device : devices)
    if (device.kind != devices[0].kind) return nullptr;
  return backend(devices.at(0).kind).communicator;
}

}  // namespace

void register_communicator(const CommunicatorApi* api) { registered() = api; }

const CommunicatorApi& communicator(const std::string& name, const std::vector<DeviceId>& devices) {
  require<InternalError>(registered() != nullptr, "no built-in communicator is registered");
  if (name == kBuiltIn) return *registered();
  const CommunicatorApi* own = own_of(devices);
  if (own && own->name == name) return *own;
  std::string places;
  for (const DeviceId& device : devices) places += (places.empty() ? "" : ", ") + to_string(device);
  fail<ConfigError>("there is no communicator '{}' between {}: choose {}{}", name, places, kBuiltIn,
                    own ? format(" or {}", own->name) : "");
}

}  // namespace alexnet
