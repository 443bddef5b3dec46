// im2col and col2im for a block of the unrolled matrix.
//
// The unrolled matrix of one image and group has one row per tap k = (c, i, j) and one column per
// output pixel (p, q): col[k, (p, q)] = x[c, p*stride + i - pad, q*stride + j - pad], 0 outside the
// image. col2im is its adjoint: overlapping entries are added.
#pragma once

#include <algorithm>

#include "core/conv.h"

namespace alexnet {

struct TapBlock {
  int64_t first_tap, taps;  // rows of the unrolled matrix
  int64_t first_row, rows;  // output rows: columns first_row * width ...
};

// The output columns q whose tap j is inside the image: first .. last - 1.
struct ColumnRange {
  int64_t first, last;
  ColumnRange(const ConvProblem& p, int64_t j) {
    const int64_t s = p.stride_w, low = p.pad_w - j, high = p.x.w - 1 + p.pad_w - j;
    first = std::min<int64_t>(p.y.w, low <= 0 ? 0 : (low + s - 1) / s);
    last = std::max(first, std::min<int64_t>(p.y.w, high < 0 ? 0 : high / s + 1));
  }
};

// Calls f(offset in the block, offset of the source row or -1 outside the image, shift of the tap
// along the row, columns inside) for each (tap, output row) of the block.
template <class F>
void for_each_tap_row(const ConvProblem& p, const TapBlock& block, F&& f) {
  const int64_t area = int64_t(p.kernel_h) * p.kernel_w;
  for (int64_t t = 0; t < block.taps; ++t) {
    const int64_t k = block.first_tap + t;
    const int64_t c = k / area, i = k % area / p.kernel_w, j = k % p.kernel_w;
    const ColumnRange range(p, j);
    for (int64_t r = 0; r < block.rows; ++r) {
      const int64_t y = (block.first_row + r) * p.stride_h + i - p.pad_h;
      const bool inside = y >= 0 && y < p.x.h;
      f((t * block.rows + r) * p.y.w, inside ? (c * p.x.h + y) * p.x.w : -1, j - p.pad_w, range);
    }
  }
}

// x: the channels of one image and group. col: (taps, rows * output width).
template <class T, class C>
void im2col(const ConvProblem& p, const TapBlock& block, const T* x, C* col) {
  for_each_tap_row(p, block, [&](int64_t at, int64_t source, int64_t shift, ColumnRange range) {
    C* out = col + at;
    if (source < 0) {
      std::fill(out, out + p.y.w, C(0));
      return;
    }
    std::fill(out, out + range.first, C(0));
    const T* in = x + source + shift;
    if (p.stride_w == 1) {
      std::copy(in + range.first, in + range.last, out + range.first);
    } else {
      for (int64_t q = range.first; q < range.last; ++q) out[q] = in[q * p.stride_w];
    }
    std::fill(out + range.last, out + p.y.w, C(0));
  });
}

// dx += col2im(dcol)
template <class T>
void col2im_add(const ConvProblem& p, const TapBlock& block, const T* dcol, T* dx) {
  for_each_tap_row(p, block, [&](int64_t at, int64_t target, int64_t shift, ColumnRange range) {
    if (target < 0) return;
    const T* in = dcol + at;
    T* out = dx + target + shift;
    for (int64_t q = range.first; q < range.last; ++q) out[q * p.stride_w] += in[q];
  });
}

}  // namespace alexnet
