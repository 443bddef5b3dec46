// Exact first and second moments of uint8 pixels. The mean image and the principal components of
// color (paper, sections 2 and 4.1) are computed from them.
//
//   sums[p, c]     += sum over n of images[n, p, c]
//   products[c, d] += sum over n and p of images[n, p, c] * images[n, p, d]
#pragma once

#include <cstdint>

namespace alexnet {

// images (count, pixels, channels), sums (pixels, channels), products (channels, channels).
// Sums are integers, so that the order of summation does not matter. Fast for up to four channels.
void add_moments(const uint8_t* images, int64_t count, int64_t pixels, int channels, uint64_t* sums,
                 uint64_t* products);

}  // namespace alexnet
