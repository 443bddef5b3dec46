// Element types. Networks run in float by default; bf16 halves the memory of stored values; double
// is for checking gradients; u8 is for pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/bf16.h"

namespace alexnet {

enum class DType : int32_t { f32, f64, i32, bf16, u8 };

template <class T>
inline constexpr DType dtype_of = std::is_same_v<std::remove_const_t<T>, float>     ? DType::f32
                                  : std::is_same_v<std::remove_const_t<T>, double>  ? DType::f64
                                  : std::is_same_v<std::remove_const_t<T>, bf16>    ? DType::bf16
                                  : std::is_same_v<std::remove_const_t<T>, uint8_t> ? DType::u8
                                                                                    : DType::i32;

// The type of sums, scalars, parameters and their gradients, losses and probabilities in a network
// whose values have type T.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, bf16>, float, T>;

inline constexpr DType compute_dtype(DType t) { return t == DType::bf16 ? DType::f32 : t; }

inline constexpr size_t size_of(DType t) {
  return t == DType::f64 ? 8 : t == DType::bf16 ? 2 : t == DType::u8 ? 1 : 4;
}
inline constexpr const char* name_of(DType t) {
  return t == DType::f32    ? "float32"
         : t == DType::f64  ? "float64"
         : t == DType::bf16 ? "bfloat16"
         : t == DType::u8   ? "uint8"
                            : "int32";
}

// Calls f(T()), where T is the type of a network's values.
template <class F>
auto for_dtype(DType t, F&& f) {
  switch (t) {
    case DType::f64:
      return f(double());
    case DType::bf16:
      return f(bf16());
    default:
      return f(float());
  }
}

}  // namespace alexnet
