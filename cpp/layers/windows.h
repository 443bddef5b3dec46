// Windows as layers read and count them.
#pragma once

#include "core/errors.h"
#include "layers/attrs.h"
#include "ops/window.h"

namespace alexnet {

// `size_key` is "size" or "kernel"; "pad" is 0 by default.
inline Window read_window(const Attrs& a, const char* size_key, int stride) {
  const Window w{a.required_int(size_key), stride, a.get("pad", 0)};
  constexpr int kMost = 4096;  // a place in a window is exact in float32
  require<ConfigError>(w.size >= 1 && w.size <= kMost && w.stride >= 1 && w.stride <= kMost,
                       "{} and stride must be 1 to {}, got {} and {}", size_key, kMost, w.size,
                       w.stride);
  require<ConfigError>(w.pad >= 0 && w.pad < w.size,
                       "pad must be 0 to {} (below {}: no window may see padding only), got {}",
                       w.size - 1, size_key, w.pad);
  return w;
}

// How many windows fit along an axis. With `ceil` the last one may run over the end, but starts
// inside the image.
inline int windows_along(const Window& w, int length, bool ceil) {
  const int room = length + 2 * w.pad - w.size;
  require<ShapeError>(room >= 0, "a window of {} does not fit {} pixels with padding {}", w.size,
                      length, w.pad);
  const int count = (room + (ceil ? w.stride - 1 : 0)) / w.stride + 1;
  return w.start(count - 1) < length ? count : count - 1;
}

}  // namespace alexnet
