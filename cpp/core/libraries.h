// Libraries that are opened at run time and never closed.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace alexnet {

// Where to look for a library that the system does not find by its name; asked only then.
void set_library_folders(std::function<std::vector<std::string>()> folders);

// Opens a library by name or path. What is not found, itself or one that it needs, is looked for in
// those folders. Null: `error` is the system's sentence.
void* open_library(const std::string& name, std::string& error);

// The library that such a sentence misses, as "libcublas.so.13"; empty: it is about something else.
std::string missing_library(const std::string& error);

}  // namespace alexnet
