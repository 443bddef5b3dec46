#include "backends/cuda/add_kernels.h"

namespace alexnet {

void add_kernels_f64(OpLaunchers& all) { add_kernels(all, OpsOf<double>{}); }

}  // namespace alexnet
