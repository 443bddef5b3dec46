// Turns failures of CUDA calls into exceptions, and sets the current device for a scope.
#pragma once

#include <cuda_runtime.h>

#include "core/errors.h"

namespace alexnet {

inline void check_cuda(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // clears the error, which is reported here
  const std::string text = call;
  fail<DeviceError>("{} failed: {} ({})", text.substr(0, text.find('(')),
                    cudaGetErrorString(result), cudaGetErrorName(result));
}
#define ANX_CUDA(call) ::alexnet::check_cuda((call), #call)

// Sets the current device and restores the previous one, so that callers of this library neither
// have to set it nor see it changed.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    ANX_CUDA(cudaGetDevice(&before_));
    if (before_ != device) ANX_CUDA(cudaSetDevice(device));
    changed_ = before_ != device;
  }
  ~OnDevice() {
    if (changed_) cudaSetDevice(before_);
  }
  OnDevice(const OnDevice&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace alexnet
