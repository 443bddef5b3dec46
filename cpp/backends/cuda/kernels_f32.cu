#include "backends/cuda/add_kernels.h"

namespace alexnet {

void add_kernels_f32(OpLaunchers& all) { add_kernels(all, OpsOf<float>{}); }

}  // namespace alexnet
