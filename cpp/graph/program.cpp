#include "graph/program.h"

namespace alexnet {

int Program::find(const std::string& name) const {
  for (size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].name == name) return int(i);
  return -1;
}

}  // namespace alexnet
