// The functions of the library that opened this one.
#pragma once

#include "core/module.h"

namespace alexnet {

const ModuleHost& module_host();

}  // namespace alexnet
