#include "backends/cuda/cudnn_library.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>

#include "backends/cuda/check.h"
#include "backends/cuda/module_host.h"

namespace alexnet {
namespace {

struct Opened {
  CudnnLibrary library;
  std::string why;  // why it is not available; empty: it is
};

// Engines that cuDNN compiles at run time need NVRTC's builtins. libnvrtc opens them by their bare
// name and has no RUNPATH, so with NVIDIA's wheels it finds them only if they are already open;
// otherwise cuDNN silently omits those engines. Does nothing if NVRTC is not installed.
void open_nvrtc_builtins() {
  std::string error;
  void* nvrtc = module_host().open_library("libnvrtc.so.13", error);
  link_map* map = nullptr;
  if (!nvrtc || dlinfo(nvrtc, RTLD_DI_LINKMAP, &map) != 0) return;
  const std::filesystem::path folder = std::filesystem::path(map->l_name).parent_path();
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with("libnvrtc-builtins.so.13"))
      dlopen(entry.path().c_str(), RTLD_NOW | RTLD_LOCAL);
}

Opened open() {
  Opened opened;
  std::string error;
  open_nvrtc_builtins();
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
