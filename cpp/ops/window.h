// Windows that slide along one axis: pooling and unshared convolution.
//
// Window o covers the pixels o*stride - pad .. o*stride - pad + size - 1, those inside the image.
#pragma once

#include "core/macros.h"

namespace alexnet {

struct Range {
  int first, last;  // last is one past the end
};

struct Window {
  int size = 1, stride = 1, pad = 0;

  ANX_HD int start(int o) const { return o * stride - pad; }

  // The pixels of window `o` that lie inside an image of `length` pixels.
  ANX_HD Range pixels(int o, int length) const {
    const int first = start(o), last = first + size;
    return {first < 0 ? 0 : first, last > length ? length : last};
  }

  // The windows that cover pixel `i` are first_over(i) and those after it while begins_by(o, i).
  ANX_HD int first_over(int i) const { return i + pad < size ? 0 : (i + pad - size) / stride + 1; }
  ANX_HD bool begins_by(int o, int i) const { return start(o) <= i; }
};

}  // namespace alexnet
