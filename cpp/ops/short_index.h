// Whether an op can be computed by indices of 32 bits, as the kernels of a GPU do: everything that
// it counts or reaches has fewer than 2^31 elements, and lies in planes.
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
      fail<InternalError>("{}: an operand in blocks of {} channels, where planes are read",
                          Op::name, view.block);
    if (view.shape.count() > most) most = view.shape.count();
  });
  if (most >= kShortIndices)
    fail<ShapeError>(
        "{}: an array of {} numbers, where a GPU's kernels count fewer than {}: make the batch "
        "smaller, or cut it into parts (--accumulate)",
        Op::name, most, kShortIndices);
}

}  // namespace alexnet
