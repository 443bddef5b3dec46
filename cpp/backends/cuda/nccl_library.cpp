#include "backends/cuda/nccl_library.h"

#include <dlfcn.h>

#include "backends/cuda/check.h"
#include "backends/cuda/module_host.h"

namespace alexnet {
namespace {

constexpr int kOldest = 22700;  // 2.27, the first release for CUDA 13

std::string text_of(int version) {  // 10000 major + 100 minor + patch, since 2.9
  return format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

struct Opened {
  NcclLibrary library;
  std::string why;  // why it is not available; empty: it is
};

template <class F>
void load(void* library, const char* name, F& function, std::string& why) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (!function && why.empty()) why = format("libnccl.so.2 has no {}", name);
}

Opened open() {
  Opened opened;
  std::string error;
  NcclLibrary& own = opened.library;
  std::string& why = opened.why;
  void* library = module_host().open_library("libnccl.so.2", error);
  if (!library) {
    why = format("libnccl.so.2 cannot be opened ({})", error);
    return opened;
  }
#define ANX_LOAD(name) load(library, #name, own.name, why)
  ANX_LOAD(ncclGetVersion);
  ANX_LOAD(ncclGetErrorString);
  ANX_LOAD(ncclCommInitAll);
  ANX_LOAD(ncclCommDestroy);
  ANX_LOAD(ncclCommAbort);
  ANX_LOAD(ncclGroupStart);
  ANX_LOAD(ncclGroupEnd);
  ANX_LOAD(ncclAllReduce);
#undef ANX_LOAD
  if (!why.empty()) return opened;
  int version = 0;
  if (own.ncclGetVersion(&version) != kNcclSuccess || version < kOldest)
    why = format("libnccl.so.2 is NCCL {}, but {} or newer is needed", text_of(version),
                 text_of(kOldest));
  own.version = text_of(version);
  return opened;
}

const Opened& opened() {
  static const Opened once = open();
  return once;
}

}  // namespace

const NcclLibrary* find_nccl(std::string& why) {
  why = opened().why;
  return why.empty() ? &opened().library : nullptr;
}

const NcclLibrary& nccl() {
  require<UnavailableError>(opened().why.empty(), "{}", opened().why);
  return opened().library;
}

void check_nccl(int result, const char* call) {
  require<DeviceError>(result == kNcclSuccess, "{} failed: {}", call,
                       nccl().ncclGetErrorString(result));
}

}  // namespace alexnet
