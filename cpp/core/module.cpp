#include "core/module.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "core/libraries.h"

namespace alexnet {
namespace {

std::string folder_of_this_library() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&load_module), &info) == 0) return ".";
  return std::filesystem::absolute(info.dli_fname).parent_path().string();
}

}  // namespace

const BackendApi& load_module(const std::string& name, uint64_t ops) {
  const char* named = std::getenv("ALEXNET_CUDA_MODULE");
  const std::string path =
      named && *named ? named : folder_of_this_library() + "/lib" + name + ".so";
  require<UnavailableError>(
      std::filesystem::exists(path),
      "this installation has no CUDA back end ({} does not exist): install it again on a machine "
      "with the CUDA toolkit or with ALEXNET_CUDA=WHEELS, or use the devices cpu:0, cpu:1, ...",
      path);

  std::string error;
  void* library = open_library(path, error);
  if (!library) {
    const std::string missing = missing_library(error);
    require<UnavailableError>(
        missing.empty(),
        "the CUDA back end needs {}, which was not found on this machine: run pip install "
        "\"alexnet-native[cuda]\", or add its folder to LD_LIBRARY_PATH",
        missing);
    fail<UnavailableError>("the CUDA back end could not be loaded: {}", error);
  }
  const auto entry = reinterpret_cast<ModuleEntry>(dlsym(library, kModuleEntry));
  require<UnavailableError>(
      entry != nullptr, "{} is not a back end of this library: build and install it again", path);
  const BackendModule& module = *entry({&open_library});
  require<UnavailableError>(module.interface == ANX_INTERFACE && module.ops == ops,
                            "{} was built from a different version of this library: build and "
                            "install both together",
                            path);
  return *module.api;
}

}  // namespace alexnet
