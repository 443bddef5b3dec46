// The "direct" engine: convolution without im2col, on activations in channel blocks.
#pragma once

#include <memory>

#include "core/conv.h"

namespace alexnet {

class CpuDevice;

bool fits_conv_direct(const ConvProblem& problem);
std::unique_ptr<ConvEngine> make_conv_direct(CpuDevice& device, const ConvProblem& problem);

}  // namespace alexnet
