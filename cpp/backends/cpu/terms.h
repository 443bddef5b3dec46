// What convolutions and matrix products add up: terms, in which a lane multiplies `width` numbers
// that lie side by side by as many others. Here one: floats, whatever the values are in memory.
// terms_bf16.h has pairs. Included by kernels.cpp, once per instruction set.
#pragma once

#include "backends/cpu/vector.h"

namespace alexnet {
namespace {

template <Stored T>
struct FloatTerms {
  using Value = T;       // of activations and weights in memory
  using Packed = float;  // of what the tiles read
  static constexpr int width = 1;

  // Both factors a vector.
  static inline __attribute__((always_inline)) Vec values(const T* p) { return load(p); }
  static inline __attribute__((always_inline)) Vec add(Vec sum, Vec a, Vec b) {
    return sum + a * b;
  }

  // Direct convolution, forward: a lane is an output channel, a term an input of its window.
  static inline __attribute__((always_inline)) Vec weights(const float* packed) {
    return load(packed);
  }
  static inline __attribute__((always_inline)) Vec add(Vec sum, Vec weights, const float* inputs) {
    return sum + weights * broadcast(*inputs);
  }

  // Weight gradient: a lane is an output channel, a term an output pixel; `rest`: how many there
  // are from this one on.
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
