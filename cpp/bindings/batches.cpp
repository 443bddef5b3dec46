#include "bindings/batches.h"

namespace alexnet {
namespace {

int image_count(const Replica& net, const py::array& images) {
  const Shape& in = net.input();
  require<ShapeError>(images.ndim() == 4 && images.shape(1) == in.c && images.shape(2) == in.h &&
                          images.shape(3) == in.w,
                      "images must be (N, {}, {}, {}), got {}", in.c, in.h, in.w,
                      std::string(py::str(images.attr("shape"))));
  require<ShapeError>(images.shape(0) > 0 && images.shape(0) < (1 << 24),
                      "a batch must hold at least one image, got {}", images.shape(0));
  return int(images.shape(0));
}

void add_labels(Batch& batch, const py::array& labels) {
  require<ConfigError>(labels.dtype().equal(py::dtype::of<int32_t>()), "labels must be int32");
  require<ConfigError>(labels.flags() & py::array::c_style, "labels must be C-contiguous");
  require<ShapeError>(labels.ndim() == 1 && labels.shape(0) == batch.count,
                      "labels must be ({},), one per image", batch.count);
  batch.labels = static_cast<const int32_t*>(labels.data());
}

// Of a batch as Loader.next() gives it, with on_device.
RawImages to_raw(const Replica& net, const py::dict& batch, int n) {
  const auto records = batch["records"].cast<py::array>(),
             offsets = batch["offsets"].cast<py::array>();
  const auto mirror = batch["mirror"].cast<py::array>();
  const auto c_order = [](const py::array& a) { return (a.flags() & py::array::c_style) != 0; };
  require<ShapeError>(records.ndim() == 4 && records.shape(0) == n &&
                          records.shape(3) == net.input().c && c_order(records) &&
                          records.dtype().equal(py::dtype::of<uint8_t>()),
                      "records must be uint8 ({}, H, W, {})", n, net.input().c);
  require<ShapeError>(offsets.ndim() == 2 && offsets.shape(0) == n && offsets.shape(1) == 2 &&
                          c_order(offsets) && offsets.dtype().equal(py::dtype::of<int32_t>()),
                      "offsets must be int32 ({}, 2)", n);
  require<ShapeError>(mirror.ndim() == 1 && mirror.shape(0) == n && c_order(mirror) &&
                          mirror.dtype().equal(py::dtype::of<uint8_t>()),
                      "mirror must be uint8 ({},)", n);
  RawImages raw;
  raw.records = static_cast<const uint8_t*>(records.data());
  raw.height = int(records.shape(1));
  raw.width = int(records.shape(2));
  raw.offsets = static_cast<const int32_t*>(offsets.data());
  raw.mirror = static_cast<const uint8_t*>(mirror.data());
  raw.scale = batch["scale"].cast<float>();
  if (!batch["color"].is_none())
    raw.color = static_cast<const float*>(
        borrow(batch["color"].cast<py::array>(), DType::f32, int64_t(n) * net.input().c, "color"));
  return raw;
}

// Given up wherever the step's result is read, without the GIL.
std::shared_ptr<const void> owner_of(py::object object) {
  const auto give_up = [](const py::object* held) {
    const py::gil_scoped_acquire gil;
    delete held;
  };
  return std::shared_ptr<const py::object>(new py::object(std::move(object)), give_up);
}

}  // namespace

Batch to_batch(const Replica& net, const py::array& images) {
  const int n = image_count(net, images);
  return {borrow(images, net.compute_type(), n * net.input().per_image(), "images"), nullptr, n};
}

Batch to_batch(const Replica& net, const py::array& images, const py::array& labels) {
  Batch batch = to_batch(net, images);
  add_labels(batch, labels);
  return batch;
}

Batch to_raw_batch(const Replica& net, const py::dict& given, const py::array& labels) {
  Batch batch{nullptr, nullptr, int(labels.size()), {}};
  require<ShapeError>(batch.count > 0, "a batch must hold at least one image, got 0");
  add_labels(batch, labels);
  batch.raw = to_raw(net, given, batch.count);
  return batch;
}

Batch kept(Batch batch, const py::array& images, const py::array& labels) {
  batch.owner = owner_of(py::make_tuple(images, labels));
  return batch;
}

// The arrays, not the mapping: that may be filled anew.
Batch kept(Batch batch, const py::dict& raw, const py::array& labels) {
  batch.owner =
      owner_of(py::make_tuple(raw["records"], raw["offsets"], raw["mirror"], raw["color"], labels));
  return batch;
}

}  // namespace alexnet
