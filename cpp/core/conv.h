// The convolution interface of back ends: a problem, and engines selected by name ("gemm", ...).
//
//   y[n,o,p,q] = b[o]
//              + sum_{c,i,j} w[o,c,i,j] * x[n, g*C/G + c, p*stride + i - pad, q*stride + j - pad]
//
//   C channels of x in G groups; output channel o belongs to group g
//
// x, w, y, dy and dx have the problem's dtype; b, dw and db have its compute type (core/dtype.h).
//
// x is 0 outside the image, at any distance below and to the right of it: with `ceil` output sizes
// the last window may extend beyond the padding (as in the 2012 source, where 224 gives 55).
#pragma once

#include <cstdint>

#include "core/view.h"

namespace alexnet {

class Stream;

struct ConvProblem {
  Shape x, y;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, groups = 1;
  DType dtype = DType::f32;
  int block = 1;             // channel block of x; the engine chooses the block of y
  bool reads_image = false;  // x is the network's input; its gradient is not needed

  Shape weight() const { return {y.c, x.c / groups, kernel_h, kernel_w}; }
  int64_t multiply_adds() const {  // of all taps, including those in the padding
    return y.count() * (x.c / groups) * kernel_h * kernel_w;
  }
  int64_t padding_multiply_adds() const {  // of the taps outside the image
    const int64_t inside = taps_inside(x.h, y.h, kernel_h, stride_h, pad_h) *
                           taps_inside(x.w, y.w, kernel_w, stride_w, pad_w);
    return multiply_adds() - int64_t(y.n) * y.c * (x.c / groups) * inside;
  }

 private:
  // Number of taps inside the image along one axis, summed over all outputs.
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

// The passes of a convolution that will run. If none is set, the engine only has to report its name
// and layout, and prepares nothing.
struct ConvPasses {
  bool forward = false;            // without a ReLU or without a bias
  bool forward_bias_relu = false;  // with a ReLU and a bias
  bool backward_data = false;
  bool backward_weights = false;  // not needed for the gradient with respect to the biases
};

// Only the passes that the engine was created for may be called.
class ConvEngine {
 public:
  virtual ~ConvEngine() = default;
  virtual const char* name() const = 0;
  virtual int output_block() const = 0;
  virtual size_t workspace_bytes() const = 0;
  // Sets the version of the weights before forward(). An engine may cache data derived from them
  // while it is unchanged; 0 disables caching.
  virtual void weights_version(uint64_t version) { (void)version; }

  // y = conv(x, w) + b, or max(0, conv(x, w) + b) with `relu`; `b` may be empty.
  virtual void forward(Stream&, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
                       void* workspace) = 0;
  // dx = conv^T(dy, w)
  virtual void backward_data(Stream&, AnyView w, AnyView dy, AnyView dx, void* workspace) = 0;
  // dw += gradient with respect to w, db += gradient with respect to b; either may be empty.
  virtual void backward_weights(Stream&, AnyView x, AnyView dy, AnyView dw, AnyView db,
                                void* workspace) = 0;
};

}  // namespace alexnet
