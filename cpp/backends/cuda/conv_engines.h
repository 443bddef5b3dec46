// The convolution engines of CUDA devices, by name.
#pragma once

#include <memory>
#include <string>

#include "core/conv.h"

namespace alexnet {

class CudaDevice;

// "auto": the first of the list in conv_engines.cpp that is there and has all passes of the
// problem.
std::unique_ptr<ConvEngine> make_conv_engine(CudaDevice& device, const std::string& name,
                                             const ConvProblem& problem, const ConvPasses& passes);

// Null: it cannot, and `why` says so.
//
// cuDNN: conv_cudnn.cpp, or conv_no_cudnn.cpp where it was built without.
std::unique_ptr<ConvEngine> make_conv_cudnn(CudaDevice& device, const ConvProblem& problem,
                                            const ConvPasses& passes, std::string& why);
// im2col and cuBLAS: conv_gemm.cu.
std::unique_ptr<ConvEngine> make_conv_gemm(CudaDevice& device, const ConvProblem& problem,
                                           const ConvPasses& passes, std::string& why);

}  // namespace alexnet
