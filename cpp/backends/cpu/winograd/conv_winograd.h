// The "winograd" engine: 3x3 and 5x5 convolutions at stride 1 with fewer multiplications, on
// activations in channel blocks.
#pragma once

#include <memory>

#include "core/conv.h"

namespace alexnet {

class CpuDevice;

bool fits_conv_winograd(const ConvProblem& problem);
// Whether the engine "auto" chooses it over the direct engine. Depends only on the shape, so that
// the choice is the same on every machine (docs/performance.md has the measurements).
bool prefers_conv_winograd(const ConvProblem& problem);
std::unique_ptr<ConvEngine> make_conv_winograd(CpuDevice& device, const ConvProblem& problem);

}  // namespace alexnet
