// The first half of building a program: nodes and their buffers, before any instruction.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/passes.h"

namespace alexnet {

struct PlannedNodes {
  Program program;
  std::map<int, int> readers, producer;  // by buffer: how many nodes read it; the node that writes
};

// Throws ShapeError, ConfigError and DeviceError that name the layer.
PlannedNodes plan_nodes(const Description& description, const std::vector<Device*>& devices,
                        const BuildOptions& options);

int add_buffer(Program& program, const std::string& name, const Shape& shape, DType dtype,
               int device, int block = 1);
int add_workspace(Program& program, const Node& node);

}  // namespace alexnet
