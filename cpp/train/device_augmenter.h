// Augments training images on the network's device: uploads the records and their random draws and
// runs ops/augment.h there.
#pragma once

#include <functional>
#include <vector>

#include "core/tensor.h"

namespace alexnet {

// Borrowed host memory. N is the batch size, C the network's number of input channels.
struct RawImages {
  const uint8_t* records = nullptr;  // (N, height, width, C)
  int height = 0, width = 0;
  const int32_t* offsets = nullptr;  // (N, 2): top, left
  const uint8_t* mirror = nullptr;   // (N,)
  const float* color = nullptr;      // (N, C) or null
  float scale = 1;
};

// The mean to subtract: if it has the size of the records it is cropped with them, else it has the
// size of the crop.
struct RawMean {
  std::vector<float> values;  // (C, h, w); empty: no mean
  Shape shape;
};

// For one device. Its memory grows to the size of the largest batch.
class DeviceAugmenter {
 public:
  explicit DeviceAugmenter(Device& device) : device_(device) {}

  // Sends host memory to the device before any work that is enqueued on the stream afterwards.
  using Send = std::function<void(const void* from, const AnyView& to)>;

  // Enqueues the uploads and the op. The stream uploads `mean` at the first call after
  // forget_mean(); it must stay valid. `raw` must stay valid as long as `send` reads it.
  void run(Stream& stream, const RawImages& raw, const RawMean& mean, const AnyView& out,
           const Send& send);
  void forget_mean() { mean_ = Tensor(); }

 private:
  AnyView reserved(Stream& stream, Tensor& memory, const Shape& shape, DType dtype);

  Device& device_;
  Tensor records_, offsets_, mirror_, color_, mean_;
};

}  // namespace alexnet
