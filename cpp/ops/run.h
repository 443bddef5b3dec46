// run(stream, op): checks that all operands are on the stream's device, then launches the op.
// run_here(op): runs the op in the calling thread, on host memory.
#pragma once

#include "core/backend.h"
#include "core/device.h"
#include "ops/all_ops.h"

namespace alexnet {

template <class Op>
void run(Stream& stream, const Op& op) {
  op.visit([&](const auto& view) {
    require<DeviceError>(!view || view.device == stream.device(),
                         "{}: an operand is on {} but the stream is on {}; insert a copy", Op::name,
                         to_string(view.device), to_string(stream.device()));
  });
  const Grid grid = op.grid();
  if (grid.rows > 0 && grid.cols > 0) stream.launch(op_index<Op>, &op, sizeof(Op), grid);
}

template <class Op>
void run_here(const Op& op) {
  const Grid grid = op.grid();
  if (grid.rows > 0 && grid.cols > 0) backend(DeviceKind::cpu).run_here(op_index<Op>, &op, grid);
}

}  // namespace alexnet
