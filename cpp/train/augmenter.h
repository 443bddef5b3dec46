// The augmentation op on a CPU device of its own: what the loader calls while the network computes.
#pragma once

#include "ops/augment.h"

namespace alexnet {

// Runs on `threads` CPU threads; blocks. Views lie in host memory.
void augment_on_cpu(const Augment<float>& op, int threads);

}  // namespace alexnet
