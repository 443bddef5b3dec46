#include "core/libraries.h"

#include <dlfcn.h>

#include <filesystem>
#include <set>

namespace alexnet {
namespace {

std::function<std::vector<std::string>()>& folders() {
  static std::function<std::vector<std::string>()> function;
  return function;
}

std::string in_folders(const std::string& name) {
  if (folders())
    for (const std::string& folder : folders()())
      if (const auto path = std::filesystem::path(folder) / name; std::filesystem::exists(path))
        return path.string();
  return "";
}

// `tried`: the libraries searched for so far; each is searched for once.
void* open(const std::string& name, std::string& error, std::set<std::string>& tried) {
  for (;;) {
    if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    error = dlerror();
    const std::string missing = missing_library(error);
    if (missing.empty() || !tried.insert(missing).second) return nullptr;
    const std::string path = in_folders(missing);
    if (path.empty()) return nullptr;
    // Once it is open, dlopen finds it by its name.
    if (std::string why; !open(path, why, tried)) {
      error = why;
      return nullptr;
    }
  }
}

}  // namespace

void set_library_folders(std::function<std::vector<std::string>()> function) {
  folders() = std::move(function);
}

void* open_library(const std::string& name, std::string& error) {
  std::set<std::string> tried;
  return open(name, error, tried);
}

std::string missing_library(const std::string& error) {
  const size_t colon = error.find(": cannot open shared object file: No such file");
  return colon == std::string::npos ? "" : error.substr(0, colon);
}

}  // namespace alexnet
