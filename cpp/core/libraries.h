// Shared libraries that are opened at run time and never closed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace alexnet {

// Sets the function that returns the folders to search for libraries that the system does not find
// by name. It is only called when such a library is needed.
void set_library_folders(std::function<std::vector<std::string>()> folders);

// Opens a library by name or path. If the system does not find it or one of its dependencies, the
// folders above are searched. Returns null on failure, with the system's error message in `error`.
void* open_library(const std::string& name, std::string& error);

// The name of the missing library in such an error message ("libcublas.so.13"); empty if the
// message has another cause.
std::string missing_library(const std::string& error);

}  // namespace alexnet
