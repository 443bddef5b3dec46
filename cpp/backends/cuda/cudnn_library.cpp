#include "backends/cuda/cudnn_library.h"

#include <dlfcn.h>

#include "backends/cuda/check.h"
#include "backends/cuda/module_host.h"

namespace alexnet {
namespace {

struct Opened {
  CudnnLibrary library;
  std::string why;  // empty: it is there
};

Opened open() {
  Opened opened;
  std::string error;
  void* library = module_host().open_library("libcudnn.so.9", error);
  if (!library) {
    opened.why = format("libcudnn.so.9 cannot be opened ({})", error);
    return opened;
  }
#define ANX_LOAD(name)                                                                          \
  opened.library.name = reinterpret_cast<decltype(opened.library.name)>(dlsym(library, #name)); \
  if (!opened.library.name && opened.why.empty())                                               \
    opened.why = format("libcudnn.so.9 has no {}", #name);
  ANX_CUDNN_FUNCTIONS(ANX_LOAD)
#undef ANX_LOAD
  return opened;
}

const Opened& opened() {
  static const Opened once = open();
  return once;
}

}  // namespace

const CudnnLibrary* find_cudnn(std::string& why) {
  why = opened().why;
  return why.empty() ? &opened().library : nullptr;
}

const CudnnLibrary& cudnn() {
  require<UnavailableError>(opened().why.empty(), "{}", opened().why);
  return opened().library;
}

void check_cudnn(cudnnStatus_t status, const char* call) {
  require<DeviceError>(status == CUDNN_STATUS_SUCCESS, "{} failed: {}", call,
                       cudnn().cudnnGetErrorString(status));
}

CudnnHandle::CudnnHandle(int device, cudaStream_t stream) {
  const OnDevice here(device);
  ANX_CUDNN(cudnnCreate, &handle_);
  if (!stream) return;
  try {
    ANX_CUDNN(cudnnSetStream, handle_, stream);
  } catch (...) {
    cudnn().cudnnDestroy(handle_);
    throw;
  }
}

CudnnHandle::~CudnnHandle() { cudnn().cudnnDestroy(handle_); }

}  // namespace alexnet
