// Training images that are augmented on the network's device: records and what was drawn for them
// are uploaded, and ops/augment.h makes the input there.
#pragma once

#include <functional>
#include <vector>

#include "core/tensor.h"

namespace alexnet {

// Borrowed host memory, of as many images as the batch has. Channels are the network's.
struct RawImages {
  const uint8_t* records = nullptr;  // (N, height, width, C)
  int height = 0, width = 0;
  const int32_t* offsets = nullptr;  // (N, 2): top, left
  const uint8_t* mirror = nullptr;   // (N,)
  const float* color = nullptr;      // (N, C) or null
  float scale = 1;
};

// What is subtracted: of the records' size, the part under the window, else the same for all.
struct RawMean {
  std::vector<float> values;  // (C, h, w); empty: nothing
  Shape shape;
};

// Of one device. Its memory grows to the largest batch, and no further.
class DeviceAugmenter {
 public:
  explicit DeviceAugmenter(Device& device) : device_(device) {}

  // Sends host memory to the device, before what is enqueued on the stream from then on.
  using Send = std::function<void(const void* from, const AnyView& to)>;

  // Enqueues all of it. `mean` is uploaded by the stream, at the first call after forget_mean(),
  // and must stay; raw must stay as long as `send` needs it.
  void run(Stream& stream, const RawImages& raw, const RawMean& mean, const AnyView& out,
           const Send& send);
  void forget_mean() { mean_ = Tensor(); }

 private:
  AnyView reserved(Stream& stream, Tensor& memory, const Shape& shape, DType dtype);

  Device& device_;
  Tensor records_, offsets_, mirror_, color_, mean_;
};

}  // namespace alexnet
