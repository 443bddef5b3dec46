// The convolution engines of CUDA devices, by name.
#pragma once

#include <memory>
#include <string>

#include "core/conv.h"

namespace alexnet {

class CudaDevice;

// "auto": the first engine in conv_engines.cpp that is available and supports all passes of the
// problem.
std::unique_ptr<ConvEngine> make_conv_engine(CudaDevice& device, const std::string& name,
                                             const ConvProblem& problem, const ConvPasses& passes);

// These return null if the engine cannot be used; `why` is then the reason.
//
// cuDNN: conv_cudnn.cpp, or conv_no_cudnn.cpp in builds without cuDNN's headers.
std::unique_ptr<ConvEngine> make_conv_cudnn(CudaDevice& device, const ConvProblem& problem,
                                            const ConvPasses& passes, std::string& why);
// im2col and cuBLAS: conv_gemm.cu.
std::unique_ptr<ConvEngine> make_conv_gemm(CudaDevice& device, const ConvProblem& problem,
                                           const ConvPasses& passes, std::string& why);

}  // namespace alexnet
