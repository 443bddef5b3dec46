// Every op of AllOps as a function that launches it.
#pragma once

#include "backends/cuda/cuda_stream.h"
#include "ops/all_ops.h"

namespace alexnet {

using OpLauncher = void (*)(CudaStream& stream, const void* op, Grid grid);
using OpLaunchers = OpLauncher[AllOps::size];

OpLauncher op_launcher(int index);

// The kernels of one type each, in files of their own that compile side by side.
void add_kernels_f32(OpLaunchers& all);
void add_kernels_f64(OpLaunchers& all);
void add_kernels_bf16(OpLaunchers& all);
void add_kernels_mixed(OpLaunchers& all);

}  // namespace alexnet
