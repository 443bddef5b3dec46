// One group of a convolution, in the form the direct kernels use. backward_data is the same
// convolution with the channels swapped, the taps flipped and the padding mirrored.
#pragma once

#include <cstdint>

namespace alexnet {

struct DirectShape {
  int in_c = 0, in_h = 0, in_w = 0;  // of one group
  int out_c = 0, out_h = 0, out_w = 0;
  int kernel_h = 0, kernel_w = 0, stride = 1, pad_top = 0, pad_left = 0;
  int inner_x = 1;  // number of channels of an input block; 1: planar
  int width = 1;    // number of inputs of a term (terms.h)

  int planes_x() const { return in_c / inner_x; }
  // Taps of a row and channel, including zero weights that pad the last term of a planar row.
  int row_taps() const { return inner_x == 1 ? (kernel_w + width - 1) / width * width : kernel_w; }
  int packed_width() const { return (out_w - 1) * stride + row_taps(); }
  int64_t packed_size() const { return int64_t(planes_x()) * in_h * packed_width() * inner_x; }
  int64_t pixel_step() const { return int64_t(stride) * inner_x; }
  // Position of tap (c, i, j) in the packed order [c / inner][i][j][c % inner].
  int64_t weight_offset(int c, int i, int j) const {
    return ((int64_t(c / inner_x) * kernel_h + i) * row_taps() + j) * inner_x + c % inner_x;
  }
  int64_t taps() const { return int64_t(in_c) * kernel_h * kernel_w; }
  int64_t packed_taps() const { return int64_t(in_c) * kernel_h * row_taps(); }
};

}  // namespace alexnet
