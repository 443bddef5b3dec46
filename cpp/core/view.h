// Views: borrowed memory with its shape and device. Trivially copyable, so that a struct of views
// can be a kernel argument.
#pragma once

#include "core/device_id.h"
#include "core/dtype.h"
#include "core/errors.h"
#include "core/macros.h"
#include "core/shape.h"

namespace alexnet {

// (row, col): row = image * channels + channel, col = pixel.
struct Grid {
  int64_t rows = 0, cols = 0;
};

// Channels are stored as planes, one after the other, or (block > 1) in blocks whose channels are
// interleaved per pixel, such as nChw16c of the CPU's direct convolution. The number of channels of
// a blocked view is a multiple of the block.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;
  DeviceId device;
  int32_t block = 1;

  // 32-bit indices are for planes only (ops/short_index.h), and avoid the division.
  template <class Index>
  ANX_HD T& at(Index row, Index col) const {
    const Index plane = shape.plane();
    if constexpr (sizeof(Index) == sizeof(int32_t))
      return data[row * plane + col];
    else
      return data[(row / block * plane + col) * block + row % block];
  }
  // The first pixel of a channel; planes only.
  template <class Index>
  ANX_HD T* plane(Index row) const {
    return data + Index(row * shape.plane());
  }
  ANX_HD T& operator[](int64_t i) const { return data[i]; }
  explicit operator bool() const { return data != nullptr; }
  template <class Const>
    requires(!std::is_const_v<T> && std::is_same_v<Const, const T>)
  operator View<Const>() const {
    return {data, shape, device, block};
  }
};

// A view whose element type is only known at run time. Its conversion to a typed view is checked.
struct AnyView {
  void* data = nullptr;
  Shape shape;
  DeviceId device;
  DType dtype = DType::f32;
  int32_t block = 1;

  explicit operator bool() const { return data != nullptr; }
  int64_t bytes() const { return shape.count() * int64_t(size_of(dtype)); }

  template <class T>
  operator View<T>() const {
    require<InternalError>(!data || dtype == dtype_of<T>, "a {} buffer was read as {}",
                           name_of(dtype), name_of(dtype_of<T>));
    return {static_cast<T*>(data), shape, device, block};
  }
};

template <class T>
Grid planes(const View<T>& v) {
  return {int64_t(v.shape.n) * v.shape.c, v.shape.plane()};
}
template <class T>
Grid flat(const View<T>& v) {
  return {1, v.shape.count()};
}

}  // namespace alexnet
