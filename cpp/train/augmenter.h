// Runs the augmentation op on a separate CPU device, for the loader.
#pragma once

#include "ops/augment.h"

namespace alexnet {

// Runs on `threads` CPU threads; blocks. The views are of host memory.
void augment_on_cpu(const Augment<float>& op, int threads);

}  // namespace alexnet
