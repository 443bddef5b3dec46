// Compiles the kernels of a list of ops and stores their launchers at their indices.
#pragma once

#include "backends/cuda/kernels.h"
#include "backends/cuda/launch_op.h"

namespace alexnet {

template <class Op>
void launch_kernel_of(CudaStream& stream, const void* op, Grid grid) {
  launch_op(stream, *static_cast<const Op*>(op), grid);
}

template <class... Ops>
void add_kernels(OpLaunchers& all, OpList<Ops...>) {
  ((all[op_index<Ops>] = &launch_kernel_of<Ops>), ...);
}

}  // namespace alexnet
