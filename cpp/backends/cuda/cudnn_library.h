// cuDNN 9, opened on first use, so that the back end also loads where it is not installed.
#pragma once

#include <cudnn.h>

#include <string>

namespace alexnet {

#define ANX_CUDNN_FUNCTIONS(f)                                                                     \
  f(cudnnGetVersion) f(cudnnGetErrorString) f(cudnnCreate) f(cudnnDestroy) f(cudnnSetStream)       \
      f(cudnnBackendCreateDescriptor) f(cudnnBackendDestroyDescriptor) f(cudnnBackendSetAttribute) \
          f(cudnnBackendGetAttribute) f(cudnnBackendFinalize) f(cudnnBackendExecute)

struct CudnnLibrary {
#define ANX_MEMBER(name) decltype(&::name) name = nullptr;
  ANX_CUDNN_FUNCTIONS(ANX_MEMBER)
#undef ANX_MEMBER
};

// Returns null if it is not available; `why` is then the reason.
const CudnnLibrary* find_cudnn(std::string& why);
const CudnnLibrary& cudnn();  // throws UnavailableError

void check_cudnn(cudnnStatus_t status, const char* call);  // throws DeviceError
#define ANX_CUDNN(function, ...) \
  ::alexnet::check_cudnn(::alexnet::cudnn().function(__VA_ARGS__), #function)

// A cuDNN handle for one device and one stream; handles that only make plans need no stream.
class CudnnHandle {
 public:
  explicit CudnnHandle(int device, cudaStream_t stream = nullptr);
  ~CudnnHandle();
  CudnnHandle(const CudnnHandle&) = delete;

  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

}  // namespace alexnet
