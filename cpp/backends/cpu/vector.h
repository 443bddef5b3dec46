// A vector of floats as wide as the instruction set that includes this file.
#pragma once

#include <cstring>

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

}  // namespace
}  // namespace alexnet
