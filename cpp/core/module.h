// A back end in a library of its own, beside this one: opened on first use and never closed.
#pragma once

#include "core/backend.h"

namespace alexnet {

// What the library's one function returns. The first two members never move.
struct BackendModule {
  uint64_t interface;  // of the headers of core and ops that both sides must have been built from
  uint64_t ops;
  const BackendApi* api;
};

// What this library does for it.
struct ModuleHost {
  void* (*open_library)(const std::string& name, std::string& error);  // core/libraries.h
};

using ModuleEntry = const BackendModule* (*)(const ModuleHost& host);
inline constexpr const char* kModuleEntry = "alexnet_backend_module";

// lib<name>.so beside this library, or the file that ALEXNET_CUDA_MODULE names. Throws
// UnavailableError: what is missing, what to do. `ops`: the fingerprint that it must have.
const BackendApi& load_module(const std::string& name, uint64_t ops);

}  // namespace alexnet
