// The "winograd" engine: 3x3 and 5x5 convolutions at stride 1 with fewer multiplications, on
// activations in channel blocks.
#pragma once

#include <memory>

#include "core/conv.h"

namespace alexnet {

class CpuDevice;

bool fits_conv_winograd(const ConvProblem& problem);
// What `auto` asks: whether it is faster than the direct engine. By the shape alone, so that every
// machine answers the same (docs/performance.md has the measurements).
bool prefers_conv_winograd(const ConvProblem& problem);
std::unique_ptr<ConvEngine> make_conv_winograd(CpuDevice& device, const ConvProblem& problem);

}  // namespace alexnet
