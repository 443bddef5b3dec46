// Antialiased resize of RGB images (paper, section 2: "rescaled the image such that the shorter
// side was of length 256, and then cropped out the central 256x256 patch").
//
//   out[y, x] = round(sum_j w[y, j] * clip(sum_i w[x, i] * in[j, i]))
//   w[x, i]   = f((i + 1/2 - c) / max(s, 1)), divided by its sum over i
//   c         = margin + (x + 1/2) * s, where s is input pixels per output pixel
//   f(t)      = 1 - |t| below 1 (triangle) where s > 1, else the cubic of Keys (1981), a = -1/2
#pragma once

#include <cstdint>

namespace alexnet {

// Size of an image of interleaved RGB pixels, in rows without gaps.
struct RgbSize {
  int height = 0, width = 0;
};

// Crops the largest centred part of `in` that has the aspect ratio of `out` and resizes it to
// `out`, with the same scale along both axes. Sums are float32 in a fixed order: the result is the
// same on every machine.
void resize_cover(const uint8_t* in, RgbSize in_size, uint8_t* out, RgbSize out_size);

}  // namespace alexnet
