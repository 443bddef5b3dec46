// The terms that convolutions and matrix products add up: in a term, each lane multiplies `width`
// adjacent numbers by `width` others. Here the width is 1, and the numbers are converted to float
// if they are bf16 in memory. terms_bf16.h has terms of width 2. Included by kernels.cpp, once per
// instruction set.
#pragma once

#include "backends/cpu/vector.h"

namespace alexnet {
namespace {

template <Stored T>
struct FloatTerms {
  using Value = T;       // type of activations and weights in memory
  using Packed = float;  // type of the packed data that tiles read
  static constexpr int width = 1;

  // Both factors are vectors.
  static inline __attribute__((always_inline)) Vec values(const T* p) { return load(p); }
  static inline __attribute__((always_inline)) Vec add(Vec sum, Vec a, Vec b) {
    return sum + a * b;
  }

  // Direct convolution, forward: lanes are output channels, terms are inputs of a window.
  static inline __attribute__((always_inline)) Vec weights(const float* packed) {
    return load(packed);
  }
  static inline __attribute__((always_inline)) Vec add(Vec sum, Vec weights, const float* inputs) {
    return sum + weights * broadcast(*inputs);
  }

  // Weight gradient: lanes are output channels, terms are output pixels. `rest`: number of pixels
  // left, including this one.
  using Pixels = float;
  static inline __attribute__((always_inline)) Vec gradients(const T* dy, int /*rest*/) {
    return load(dy);
  }
  static inline __attribute__((always_inline)) Vec add_pixels(Vec sum, Vec dy, float x) {
    return sum + dy * broadcast(x);
  }
};

}  // namespace
}  // namespace alexnet
