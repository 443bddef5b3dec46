// Windows that slide along one axis: pooling and unshared convolution.
//
// Window o covers the pixels o*stride - pad .. o*stride - pad + size - 1, clipped to the image.
#pragma once

#include <cstdint>

#include "core/macros.h"

namespace alexnet {

struct Range {
  int first, last;  // last is one past the end

  ANX_HD int count() const { return last - first; }
};

struct Pixel {
  int row, col;
};

struct Window {
  int size = 1, stride = 1, pad = 0;

  ANX_HD int start(int o) const { return o * stride - pad; }

  // The distance between the first and the last possible start of a window in an image of `length`
  // pixels with padding; negative if the window does not fit.
  ANX_HD int room(int length) const { return length + 2 * pad - size; }
  // The output size. `ceil` keeps a last window that ends beyond the padding; else it is dropped.
  ANX_HD int windows(int length, bool ceil) const {
    return (room(length) + (ceil ? stride - 1 : 0)) / stride + 1;
  }

  // The pixels of window `o` that lie inside an image of `length` pixels.
  ANX_HD Range pixels(int o, int length) const {
    const int first = start(o), last = first + size;
    return {first < 0 ? 0 : first, last > length ? length : last};
  }

  // The windows that cover pixel `i` are o = first_over(i), first_over(i) + 1, ... while
  // begins_by(o, i).
  ANX_HD int first_over(int i) const { return i + pad < size ? 0 : (i + pad - size) / stride + 1; }
  ANX_HD bool begins_by(int o, int i) const { return start(o) <= i; }

  // The row-major position of pixel (i, j) in window (p, q), and its inverse.
  ANX_HD int position(int p, int q, int i, int j) const {
    return (i - start(p)) * size + j - start(q);
  }
  ANX_HD Pixel pixel(int p, int q, int position) const {
    const int row = position / size;
    return {start(p) + row, start(q) + position - row * size};
  }
};

// Calls f(p, q) for every window of a plane. Windows that run in parallel do not overlap, and the
// order of overlapping windows is fixed, so f may add to the pixels of its window.
template <class Team, class F>
ANX_HD void each_window(const Team& team, const Window& window, int oh, int ow, F&& f) {
  const int apart = (window.size + window.stride - 1) / window.stride;
  for (int a = 0; a < apart && a < oh; ++a)
    for (int b = 0; b < apart && b < ow; ++b) {
      const int rows = (oh - a + apart - 1) / apart, cols = (ow - b + apart - 1) / apart;
      team.each(int64_t(rows) * cols, [&](auto i) {
        const int row = int(i) / cols;
        f(a + row * apart, b + (int(i) - row * cols) * apart);
      });
    }
}

}  // namespace alexnet
