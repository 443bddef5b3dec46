// A vector of floats, as wide as the instruction set that this file is compiled for. Its values may
// be bf16 in memory.
#pragma once

#include <cstring>
#include <type_traits>

#include "core/bf16.h"

namespace alexnet {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kRegisters = 32;
#else
constexpr int kLanes = 4, kRegisters = 16;
#endif

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef float UnalignedVec
    __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

inline __attribute__((always_inline)) Vec load(const float* p) {
  return *reinterpret_cast<const UnalignedVec*>(p);
}
inline __attribute__((always_inline)) void store(float* p, Vec v) {
  *reinterpret_cast<UnalignedVec*>(p) = v;
}
inline __attribute__((always_inline)) Vec broadcast(float v) { return v - Vec{}; }

inline __attribute__((always_inline)) Vec rectify(Vec v) {
  return v <= Vec{} ? Vec{} : v;  // keeps NaN
}

// The types that a vector's values may have in memory.
template <class T>
concept Stored = std::is_same_v<T, float> || std::is_same_v<T, bf16>;

typedef uint32_t Bits __attribute__((vector_size(kLanes * sizeof(uint32_t))));
typedef uint16_t HalfBits __attribute__((vector_size(kLanes * sizeof(uint16_t))));

// The bf16 bits of each lane, rounded to nearest, ties to even; NaN stays NaN (core/bf16.h).
inline __attribute__((always_inline)) Bits rounded_bits(Vec v) {
  const Bits u = (Bits)v, nearest = (u + 0x7FFFu + (u >> 16 & 1u)) >> 16;
  return v != v ? u >> 16 | 0x40u : nearest;
}
// The value after conversion to T and back.
template <Stored T>
inline __attribute__((always_inline)) Vec rounded(Vec v) {
  if constexpr (std::is_same_v<T, bf16>) return (Vec)(rounded_bits(v) << 16);
  return v;
}

inline __attribute__((always_inline)) Vec load(const bf16* p) {
  HalfBits bits;
  std::memcpy(&bits, p, sizeof(bits));
  return (Vec)(__builtin_convertvector(bits, Bits) << 16);
}
inline __attribute__((always_inline)) void store(bf16* p, Vec v) {
  const HalfBits bits = __builtin_convertvector(rounded_bits(v), HalfBits);
  std::memcpy(p, &bits, sizeof(bits));
}

}  // namespace
}  // namespace alexnet
