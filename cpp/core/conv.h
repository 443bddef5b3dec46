// Convolution as the back ends see it: one problem, engines by name ("gemm", ...).
//
//   y[n,o,p,q] = b[o]
//              + sum_{c,i,j} w[o,c,i,j] * x[n, g*C/G + c, p*stride + i - pad, q*stride + j - pad]
//
//   C channels of x in G groups; output channel o belongs to group g
//
// x, w, y, dy and dx are of the problem's dtype; b, dw and db of its compute type (core/dtype.h).
//
// x outside the image reads as 0, also beyond the bottom and right edge: with `ceil` output sizes
// the last window may run over it (the 2012 source; 224 gives 55).
#pragma once

#include <cstdint>

#include "core/view.h"

namespace alexnet {

class Stream;

struct ConvProblem {
  Shape x, y;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, groups = 1;
  DType dtype = DType::f32;
  int block = 1;             // of the input's channels; the engine says what its output has
  bool reads_image = false;  // nobody asks for the gradient by x

  Shape weight() const { return {y.c, x.c / groups, kernel_h, kernel_w}; }
  int64_t multiply_adds() const {  // all taps, padding included
    return y.count() * (x.c / groups) * kernel_h * kernel_w;
  }
  int64_t padding_multiply_adds() const {  // those of them whose tap lies outside the image
    const int64_t inside = taps_inside(x.h, y.h, kernel_h, stride_h, pad_h) *
                           taps_inside(x.w, y.w, kernel_w, stride_w, pad_w);
    return multiply_adds() - int64_t(y.n) * y.c * (x.c / groups) * inside;
  }

 private:
  // Along one side, over all outputs.
  static int64_t taps_inside(int in, int out, int kernel, int stride, int pad) {
    int64_t count = 0;
    for (int o = 0; o < out; ++o)
      for (int k = 0; k < kernel; ++k) {
        const int at = o * stride + k - pad;
        count += at >= 0 && at < in;
      }
    return count;
  }
};

// Which passes of a convolution will run. None: the engine is asked for its name and layout alone,
// and makes nothing for any pass.
struct ConvPasses {
  bool forward = false;            // without a ReLU, or without a bias
  bool forward_bias_relu = false;  // with both
  bool backward_data = false;
  bool backward_weights = false;  // by the weights: the gradient by the biases needs no pass here
};

// Only the passes that it was made for may be called.
class ConvEngine {
 public:
  virtual ~ConvEngine() = default;
  virtual const char* name() const = 0;
  virtual int output_block() const = 0;
  virtual size_t workspace_bytes() const = 0;
  // Before forward(): weights of the same number are the same, so that an engine may keep what it
  // made of them; 0: nothing is known.
  virtual void weights_version(uint64_t version) { (void)version; }

  // y = conv(x, w) + b, or with `relu` the larger of that and 0; `b` may be empty.
  virtual void forward(Stream&, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
                       void* workspace) = 0;
  // dx = conv^T(dy, w), assigned.
  virtual void backward_data(Stream&, AnyView w, AnyView dy, AnyView dx, void* workspace) = 0;
  // dw += the gradient by the weights, db += that by the biases; either may be empty.
  virtual void backward_weights(Stream&, AnyView x, AnyView dy, AnyView dw, AnyView db,
                                void* workspace) = 0;
};

}  // namespace alexnet
