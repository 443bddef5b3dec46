#include "core/communicator.h"

#include "core/errors.h"

namespace alexnet {
namespace {

const CommunicatorApi*& registered() {
  static const CommunicatorApi* api = nullptr;
  return api;
}

}  // namespace

void register_communicator(const CommunicatorApi* api) { registered() = api; }

const CommunicatorApi& communicator() {
  require<InternalError>(registered() != nullptr, "no communicator was linked in");
  return *registered();
}

}  // namespace alexnet
