// NCCL between CUDA devices, by the name "nccl".
#pragma once

#include "core/communicator.h"

namespace alexnet {

extern const CommunicatorApi kNcclCommunicator;

}  // namespace alexnet
