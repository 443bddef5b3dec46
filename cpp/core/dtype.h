// Element types. float is what networks run in; double exists so that gradients can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace alexnet {

enum class DType : int32_t { f32, f64, i32 };

template <class T>
inline constexpr DType dtype_of = std::is_same_v<std::remove_const_t<T>, float>    ? DType::f32
                                  : std::is_same_v<std::remove_const_t<T>, double> ? DType::f64
                                                                                   : DType::i32;

inline constexpr size_t size_of(DType t) { return t == DType::f64 ? 8 : 4; }
inline constexpr const char* name_of(DType t) {
  return t == DType::f32 ? "float32" : t == DType::f64 ? "float64" : "int32";
}

}  // namespace alexnet
