// Results of CUDA calls as exceptions, and the current device for the length of a scope.
#pragma once

#include <cuda_runtime.h>

#include "core/errors.h"

namespace alexnet {

inline void check_cuda(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // it is told here: the next call starts clean
  const std::string text = call;
  fail<DeviceError>("{} failed: {} ({})", text.substr(0, text.find('(')),
                    cudaGetErrorString(result), cudaGetErrorName(result));
}
#define ANX_CUDA(call) ::alexnet::check_cuda((call), #call)

// No caller of this library sets the current device, and none finds it changed.
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
