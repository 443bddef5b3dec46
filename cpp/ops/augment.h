// Crop, mirror, mean and color (paper, section 4.1), from uint8 pixels to the network's input.
//
//   out[n, c, y, x] = scale * (images[n, top + y, left + x', c] - mean[c, ...] + color[n, c])
//   x' = x, or width - 1 - x if mirrored
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class T>
struct Augment {
  static constexpr const char* name = "augment";
  int height = 0, width = 0;  // of the images; out.shape has those of the crop
  bool mean_matched = false;  // true: `mean` covers the whole image and is cropped with it
  T scale = 1;
  View<const uint8_t> images;   // (N, height, width, C), interleaved
  View<const int32_t> offsets;  // (N, 2): top, left
  View<const uint8_t> mirror;   // (N,)
  View<const T> mean, color;    // (C, h, w) or (C, height, width); (N, C); each may be empty
  View<T> out;

  template <class F>
  void visit(F&& f) const {
    f(images), f(offsets), f(mirror), f(mean), f(color), f(out);
  }
  Grid grid() const { return {int64_t(out.shape.n) * out.shape.c * out.shape.h, out.shape.w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index x) const {
    const Shape& s = out.shape;
    const Index plane = row / s.h, y = row % s.h, n = plane / s.c, c = plane % s.c;
    const Index top = offsets[2 * n], left = offsets[2 * n + 1];
    const Index column = left + (mirror[n] ? s.w - 1 - x : x);
    T value = T(images[((n * height + top + y) * width + column) * s.c + c]);
    if (mean.data)
      value -= mean_matched ? mean[(c * height + top + y) * width + column]
                            : mean[(c * s.h + y) * s.w + x];
    if (color.data) value += color[n * s.c + c];
    out[row * s.w + x] = scale * value;
  }
};

}  // namespace alexnet
