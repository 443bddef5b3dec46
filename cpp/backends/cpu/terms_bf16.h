// Terms of two bf16 numbers (terms.h) with the dot product instruction of AVX512-BF16, which adds
// two products per lane. It rounds to float after each addition and treats subnormal numbers as 0.
// Included by kernels_bf16.cpp.
#pragma once

#include <immintrin.h>

#include "backends/cpu/vector.h"

namespace alexnet {
namespace {

inline __attribute__((always_inline)) __m512bh load_pairs(const bf16* p) {
  return (__m512bh)_mm512_loadu_si512(p);
}
inline __attribute__((always_inline)) __m512bh broadcast_pair(const void* p) {
  int bits;
  std::memcpy(&bits, p, sizeof(bits));
  return (__m512bh)_mm512_set1_epi32(bits);
}
inline __attribute__((always_inline)) Vec add_products(Vec sum, __m512bh a, __m512bh b) {
  return (Vec)_mm512_dpbf16_ps((__m512)sum, a, b);
}
// Lane i is (low[i], high[i]), or (low[i], 0) if `high` is null.
inline __attribute__((always_inline)) Bits interleaved(const bf16* low, const bf16* high) {
  const auto wide = [](const bf16* p) {
    HalfBits bits;
    std::memcpy(&bits, p, sizeof(bits));
    return __builtin_convertvector(bits, Bits);
  };
  return high ? wide(low) | wide(high) << 16 : wide(low);
}
inline __attribute__((always_inline)) void store_pairs(void* to, Bits pairs) {
  std::memcpy(to, &pairs, sizeof(pairs));
}

struct PairTerms {
  using Value = bf16;
  using Packed = bf16;
  static constexpr int width = 2;

  static inline __attribute__((always_inline)) __m512bh values(const bf16* p) {
    return load_pairs(p);
  }
  static inline __attribute__((always_inline)) Vec add(Vec sum, __m512bh a, __m512bh b) {
    return add_products(sum, a, b);
  }

  static inline __attribute__((always_inline)) __m512bh weights(const bf16* packed) {
    return load_pairs(packed);
  }
  static inline __attribute__((always_inline)) Vec add(Vec sum, __m512bh weights,
                                                       const bf16* inputs) {
    return add_products(sum, weights, broadcast_pair(inputs));
  }

  using Pixels = uint32_t;
  static inline __attribute__((always_inline)) __m512bh gradients(const bf16* dy, int rest) {
    return (__m512bh)interleaved(dy, rest > 1 ? dy + kLanes : nullptr);
  }
  static inline __attribute__((always_inline)) Vec add_pixels(Vec sum, __m512bh dy, uint32_t x) {
    return add_products(sum, dy, (__m512bh)_mm512_set1_epi32(int(x)));
  }
  // to[i] = (row[i], row[i + step]), with 0 past the end of the row.
  static void pack_pixels(const bf16* row, int64_t count, int64_t step, uint32_t* to) {
    int64_t i = 0;
    for (; i + step + kLanes <= count; i += kLanes)
      store_pairs(to + i, interleaved(row + i, row + i + step));
    for (; i < count; ++i)
      to[i] = row[i].bits | (i + step < count ? uint32_t(row[i + step].bits) << 16 : 0);
  }
};

}  // namespace
}  // namespace alexnet
