#pragma once

#include "bindings/convert.h"

namespace alexnet {

void bind_network(py::module_& m);
void bind_layer_runner(py::module_& m);
void bind_tools(py::module_& m);
void bind_images(py::module_& m);

}  // namespace alexnet
