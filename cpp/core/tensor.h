// A tensor owns memory on a device.
#pragma once

#include <utility>

#include "core/device.h"

namespace alexnet {

class Tensor {
 public:
  Tensor() = default;
  Tensor(Device& device, const Shape& shape, DType dtype)
      : device_(&device),
        view_{device.allocate(size_t(shape.count()) * size_of(dtype)), shape, device.id(), dtype} {}
  Tensor(Tensor&& other) noexcept
      : device_(other.device_), view_(std::exchange(other.view_, AnyView{})) {}
  Tensor& operator=(Tensor&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(view_, other.view_);
    return *this;
  }
  ~Tensor() {
    if (view_.data) device_->release(view_.data);
  }

  const AnyView& view() const { return view_; }
  explicit operator bool() const { return view_.data != nullptr; }

 private:
  Device* device_ = nullptr;
  AnyView view_;
};

}  // namespace alexnet
