#include "backends/cuda/add_kernels.h"

namespace alexnet {

void add_kernels_bf16(OpLaunchers& all) { add_kernels(all, OpsOf<bf16>{}); }

}  // namespace alexnet
