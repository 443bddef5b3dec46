// The gradient by the biases of a convolution, by enough blocks to read dy at the memory's speed:
// the op alone has one block for each channel.
#pragma once

#include "backends/cuda/cuda_stream.h"

namespace alexnet {

size_t bias_gradient_bytes(const Shape& dy, DType dtype);  // of the workspace

// db[c] += sum over images and pixels of dy[n, c, p]
void bias_gradient(CudaStream& stream, const AnyView& dy, const AnyView& db, void* workspace);

}  // namespace alexnet
