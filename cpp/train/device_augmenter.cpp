#include "train/device_augmenter.h"

#include "ops/run.h"

namespace alexnet {

AnyView DeviceAugmenter::reserved(Stream& stream, Tensor& memory, const Shape& shape, DType dtype) {
  if (!memory || memory.view().shape.count() < shape.count()) {
    stream.synchronize();  // enqueued work may still read the old memory
    memory = Tensor();
    memory = Tensor(device_, shape, dtype);
  }
  AnyView view = memory.view();
  view.shape = shape;
  return view;
}

void DeviceAugmenter::run(Stream& stream, const RawImages& raw, const RawMean& mean,
                          const AnyView& out, const Send& send) {
  require<ConfigError>(out.dtype == DType::f32 && out.block == 1,
                       "images can be augmented on the device in float32 only; augment on the CPU");
  const int n = out.shape.n, c = out.shape.c;
  require<ShapeError>(raw.height >= out.shape.h && raw.width >= out.shape.w,
                      "records of {}x{} are smaller than the network's input of {}x{}", raw.height,
                      raw.width, out.shape.h, out.shape.w);
  for (int i = 0; i < n; ++i) {
    const int top = raw.offsets[2 * i], left = raw.offsets[2 * i + 1];
    require<ShapeError>(
        top >= 0 && left >= 0 && top + out.shape.h <= raw.height && left + out.shape.w <= raw.width,
        "the crop of image {} at ({}, {}) is outside its record", i, top, left);
  }
  Augment<float> op;
  op.height = raw.height;
  op.width = raw.width;
  op.scale = raw.scale;
  const auto sent = [&](Tensor& memory, const void* from, const Shape& shape, DType dtype) {
    const AnyView view = reserved(stream, memory, shape, dtype);
    send(from, view);
    return view;
  };
  op.images = sent(records_, raw.records, {n, raw.height, raw.width, c}, DType::u8);
  op.offsets = sent(offsets_, raw.offsets, {n, 2, 1, 1}, DType::i32);
  op.mirror = sent(mirror_, raw.mirror, {n, 1, 1, 1}, DType::u8);
  if (raw.color) op.color = sent(color_, raw.color, {n, c, 1, 1}, DType::f32);
  if (!mean.values.empty()) {
    op.mean_matched = mean.shape.h == raw.height && mean.shape.w == raw.width;
    require<ShapeError>(mean.shape.c == c && (op.mean_matched || (mean.shape.h == out.shape.h &&
                                                                  mean.shape.w == out.shape.w)),
                        "the shape of the mean, {}, does not match the network's input, {}",
                        to_string(mean.shape), to_string(out.shape));
    if (!mean_) stream.upload(mean.values.data(), reserved(stream, mean_, mean.shape, DType::f32));
    op.mean = mean_.view();
  }
  op.out = out;
  alexnet::run(stream, op);
}

}  // namespace alexnet
