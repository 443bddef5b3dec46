#include "core/communicator.h"

#include "core/backend.h"
#include "core/errors.h"

namespace alexnet {
namespace {

const CommunicatorApi*& registered() {
  static const CommunicatorApi* api = nullptr;
  return api;
}

// Of the back end that all the devices belong to; null: of several, or it has none.
const CommunicatorApi* own_of(const std::vector<DeviceId>& devices) {
  for (const DeviceId& device : devices)
    if (device.kind != devices[0].kind) return nullptr;
  return backend(devices.at(0).kind).communicator;
}

}  // namespace

void register_communicator(const CommunicatorApi* api) { registered() = api; }

const CommunicatorApi& communicator(const std::string& name, const std::vector<DeviceId>& devices) {
  require<InternalError>(registered() != nullptr, "no communicator was linked in");
  if (name == kBuiltIn) return *registered();
  const CommunicatorApi* own = own_of(devices);
  if (own && own->name == name) return *own;
  std::string places;
  for (const DeviceId& device : devices) places += (places.empty() ? "" : ", ") + to_string(device);
  fail<ConfigError>("there is no communicator '{}' between {}: choose {}{}", name, places, kBuiltIn,
                    own ? format(" or {}", own->name) : "");
}

}  // namespace alexnet
