// A launch function for every op of AllOps.
#pragma once

#include "backends/cuda/cuda_stream.h"
#include "ops/all_ops.h"

namespace alexnet {

using OpLauncher = void (*)(CudaStream& stream, const void* op, Grid grid);
using OpLaunchers = OpLauncher[AllOps::size];

OpLauncher op_launcher(int index);

// The kernels of each type are in a separate file, so that the files compile in parallel.
void add_kernels_f32(OpLaunchers& all);
void add_kernels_f64(OpLaunchers& all);
void add_kernels_bf16(OpLaunchers& all);
void add_kernels_mixed(OpLaunchers& all);

}  // namespace alexnet
