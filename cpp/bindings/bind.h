#pragma once

#include "bindings/convert.h"

namespace alexnet {

class Network;

void bind_network(py::module_& m);
void bind_profile(py::module_& m, py::class_<Network>& network);
void bind_layer_runner(py::module_& m);
void bind_tools(py::module_& m);
void bind_images(py::module_& m);
void bind_loader(py::module_& m);

}  // namespace alexnet
