// The first half of build_program: nodes and their buffers, without instructions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/passes.h"

namespace alexnet {

struct PlannedNodes {
  Program program;
  std::map<int, int> readers,
      producer;  // by buffer: number of nodes that read it; the node that writes it
};

// Throws ShapeError, ConfigError or DeviceError that names the layer.
PlannedNodes plan_nodes(const Description& description, const std::vector<Device*>& devices,
                        const BuildOptions& options);

int add_buffer(Program& program, const std::string& name, const Shape& shape, DType dtype,
               int device, int block = 1);
int add_workspace(Program& program, const Node& node);

}  // namespace alexnet
