// A back end in a separate shared library, loaded on first use and never unloaded.
#pragma once

#include "core/backend.h"

namespace alexnet {

// Returned by the only function that the library exports. The first two members must stay first in
// every version.
struct BackendModule {
  uint64_t interface;  // fingerprint of the headers in core and ops; must be equal on both sides
  uint64_t ops;
  const BackendApi* api;
};

// Functions that this library provides to the back end.
struct ModuleHost {
  void* (*open_library)(const std::string& name, std::string& error);  // core/libraries.h
};

using ModuleEntry = const BackendModule* (*)(const ModuleHost& host);
inline constexpr const char* kModuleEntry = "alexnet_backend_module";

// Loads lib<name>.so from the folder of this library, or the file named by ALEXNET_CUDA_MODULE.
// `ops`: the expected fingerprint of its ops. Throws UnavailableError, whose message says what is
// missing and what to do.
const BackendApi& load_module(const std::string& name, uint64_t ops);

}  // namespace alexnet
