// The communicator "nccl" between CUDA devices.
#pragma once

#include "core/communicator.h"

namespace alexnet {

extern const CommunicatorApi kNcclCommunicator;

}  // namespace alexnet
