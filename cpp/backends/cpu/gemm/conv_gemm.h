// The "gemm" engine: im2col, then one matrix product (Chellapilla, Puri and Simard 2006).
#pragma once

#include <memory>

#include "core/conv.h"

namespace alexnet {

class CpuDevice;

std::unique_ptr<ConvEngine> make_conv_gemm(CpuDevice& device, const ConvProblem& problem);

}  // namespace alexnet
