// Replaces conv_cudnn.cpp in builds that did not find cudnn.h.
#include "backends/cuda/conv_engines.h"

namespace alexnet {

std::unique_ptr<ConvEngine> make_conv_cudnn(CudaDevice&, const ConvProblem&, const ConvPasses&,
                                            std::string& why) {
  why = "this back end was built without cuDNN's headers";
  return nullptr;
}

}  // namespace alexnet
