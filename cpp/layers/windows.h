// Windows of layers: their attributes and output sizes.
#pragma once

#include "core/errors.h"
#include "layers/attrs.h"
#include "ops/window.h"

namespace alexnet {

// `size_key`: "size" or "kernel". Attribute "pad": default 0.
inline Window read_window(const Attrs& a, const char* size_key, int stride) {
  const Window w{a.required_int(size_key), stride, a.get("pad", 0)};
  constexpr int kMost = 4096;  // positions in a window are exact in float32
  require<ConfigError>(w.size >= 1 && w.size <= kMost && w.stride >= 1 && w.stride <= kMost,
                       "{} and stride must be 1 to {}, got {} and {}", size_key, kMost, w.size,
                       w.stride);
  require<ConfigError>(
      w.pad >= 0 && w.pad < w.size,
      "pad must be 0 to {} (less than {}, so that no window has only padding), got {}", w.size - 1,
      size_key, w.pad);
  return w;
}

// The output size along an axis, at least 1. With `ceil` the last window may end beyond the image
// or, if the stride is larger than the window, start beyond it.
inline int output_size(const Window& w, int length, bool ceil) {
  require<ShapeError>(w.room(length) >= 0,
                      "a window of {} does not fit into {} pixels with padding {}", w.size, length,
                      w.pad);
  return w.windows(length, ceil);
}

// The same for layers that clip their windows to the image: a last window that starts beyond it is
// dropped because it has no pixels.
inline int clipped_output_size(const Window& w, int length, bool ceil) {
  const int count = output_size(w, length, ceil);
  return w.start(count - 1) < length ? count : count - 1;
}

}  // namespace alexnet
