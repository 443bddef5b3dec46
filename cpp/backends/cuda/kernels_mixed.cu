#include "backends/cuda/add_kernels.h"

namespace alexnet {

void add_kernels_mixed(OpLaunchers& all) { add_kernels(all, MixedOps{}); }

}  // namespace alexnet
