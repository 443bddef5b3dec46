// Every op of AllOps as a function that launches it.
#pragma once

#include "backends/cuda/cuda_stream.h"
#include "ops/all_ops.h"

namespace alexnet {

using OpLauncher = void (*)(CudaStream& stream, const void* op, Grid grid);

OpLauncher op_launcher(int index);

}  // namespace alexnet
