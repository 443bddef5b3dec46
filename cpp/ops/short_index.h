// Checks that an op can be computed with 32-bit indices, as GPU kernels do: its grid and operands
// have fewer than 2^31 elements, and all operands are in planes.
#pragma once

#include "core/errors.h"
#include "core/view.h"

namespace alexnet {

inline constexpr int64_t kShortIndices = int64_t(1) << 31;

template <class Op>
void require_short_index(const Op& op, const Grid& grid) {
  int64_t most = grid.rows > grid.cols ? grid.rows : grid.cols;
  op.visit([&](const auto& view) {
    if (view.block != 1)
      fail<InternalError>("{}: expected an operand in planes, got channel blocks of {}", Op::name,
                          view.block);
    if (view.shape.count() > most) most = view.shape.count();
  });
  if (most >= kShortIndices)
    fail<ShapeError>(
        "{}: an array has {} elements; GPU kernels support fewer than {}: use a smaller batch or "
        "split it into parts (--accumulate)",
        Op::name, most, kShortIndices);
}

}  // namespace alexnet
