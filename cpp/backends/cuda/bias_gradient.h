// The gradient with respect to the biases of a convolution, computed by enough blocks to read dy at
// full memory bandwidth: the op BiasGradient alone has only one block per channel.
#pragma once

#include "backends/cuda/cuda_stream.h"

namespace alexnet {

size_t bias_gradient_bytes(const Shape& dy, DType dtype);  // of the workspace

// db[c] += sum of dy[n, c, p] over images n and pixels p
void bias_gradient(CudaStream& stream, const AnyView& dy, const AnyView& db, void* workspace);

}  // namespace alexnet
