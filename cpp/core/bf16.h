// bfloat16: the upper 16 bits of a float. Used to store values and to multiply them; sums are
// float.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/macros.h"

namespace alexnet {

struct bf16 {
  uint16_t bits;

  bf16() = default;
  // Rounds to nearest, ties to even; NaN stays NaN.
  ANX_HD bf16(float value) {
    uint32_t u;
    std::memcpy(&u, &value, sizeof(u));
    const uint32_t rounded = (u + 0x7FFFu + (u >> 16 & 1u)) >> 16;
    bits = uint16_t(value != value ? u >> 16 | 0x40u : rounded);
  }
  ANX_HD operator float() const {
    const uint32_t u = uint32_t(bits) << 16;
    float value;
    std::memcpy(&value, &u, sizeof(value));
    return value;
  }
};

}  // namespace alexnet
