#include "bindings/batches.h"

namespace alexnet {
namespace {

bool in_c_order(const py::array& a) { return (a.flags() & py::array::c_style) != 0; }

void require_images(const Replica& net, const py::array& images) {
  const Shape& in = net.input();
  require<ShapeError>(images.ndim() == 4 && images.shape(1) == in.c && images.shape(2) == in.h &&
                          images.shape(3) == in.w,
                      "images must be (N, {}, {}, {}), got {}", in.c, in.h, in.w,
                      std::string(py::str(images.attr("shape"))));
  require<ShapeError>(images.shape(0) > 0 && images.shape(0) < (1 << 24),
                      "a batch must hold at least one image and fewer than 2^24, got {}",
                      images.shape(0));
}

void add_labels(Batch& batch, const py::array& labels) {
  require<ConfigError>(labels.dtype().equal(py::dtype::of<int32_t>()), "labels must be int32");
  require<ConfigError>(in_c_order(labels), "labels must be C-contiguous");
  require<ShapeError>(labels.ndim() == 1 && labels.shape(0) == batch.count,
                      "labels must be ({},), one per image", batch.count);
  batch.labels = static_cast<const int32_t*>(labels.data());
}

// Acquires the GIL for the release, which may happen on a thread that reads a step's result.
std::shared_ptr<const void> owner_of(py::object object) {
  const auto release = [](const py::object* held) {
    const py::gil_scoped_acquire gil;
    delete held;
  };
  return std::shared_ptr<const py::object>(new py::object(std::move(object)), release);
}

std::string shape_of(const py::array& array) { return py::str(array.attr("shape")); }

}  // namespace

BoundBatch BoundBatch::of_images(const py::array& images, const py::array& labels) {
  require<ShapeError>(images.ndim() == 4, "images must be (N, C, H, W), got {}", shape_of(images));
  require<ShapeError>(images.shape(0) > 0 && images.shape(0) < (1 << 24),
                      "a batch must hold at least one image and fewer than 2^24, got {}",
                      images.shape(0));
  BoundBatch bound;
  bound.dtype = images.dtype().equal(numpy_dtype(DType::f64)) ? DType::f64 : DType::f32;
  bound.images = {int(images.shape(0)), int(images.shape(1)), int(images.shape(2)),
                  int(images.shape(3))};
  bound.batch.count = bound.images.n;
  bound.batch.images = borrow(images, bound.dtype, bound.images.count(), "images");
  add_labels(bound.batch, labels);
  bound.batch.owner = owner_of(py::make_tuple(images, labels));
  return bound;
}

BoundBatch BoundBatch::of_records(const py::array& records, const py::array& labels,
                                  const py::array& offsets, const py::array& mirror,
                                  const py::object& color, float scale) {
  const py::ssize_t n = labels.size();
  require<ShapeError>(n > 0, "a batch must hold at least one image, got 0");
  require<ShapeError>(records.ndim() == 4 && records.shape(0) == n && in_c_order(records) &&
                          records.dtype().equal(py::dtype::of<uint8_t>()),
                      "records must be uint8 ({}, H, W, C)", n);
  require<ShapeError>(offsets.ndim() == 2 && offsets.shape(0) == n && offsets.shape(1) == 2 &&
                          in_c_order(offsets) && offsets.dtype().equal(py::dtype::of<int32_t>()),
                      "offsets must be int32 ({}, 2)", n);
  require<ShapeError>(mirror.ndim() == 1 && mirror.shape(0) == n && in_c_order(mirror) &&
                          mirror.dtype().equal(py::dtype::of<uint8_t>()),
                      "mirror must be uint8 ({},)", n);
  BoundBatch bound;
  bound.images = {int(n), int(records.shape(3)), 1, 1};
  bound.batch.count = int(n);
  add_labels(bound.batch, labels);
  RawImages raw;
  raw.records = static_cast<const uint8_t*>(records.data());
  raw.height = int(records.shape(1));
  raw.width = int(records.shape(2));
  raw.offsets = static_cast<const int32_t*>(offsets.data());
  raw.mirror = static_cast<const uint8_t*>(mirror.data());
  raw.scale = scale;
  if (!color.is_none())
    raw.color = static_cast<const float*>(
        borrow(color.cast<py::array>(), DType::f32, int64_t(n) * bound.images.c, "color"));
  bound.batch.raw = raw;
  bound.batch.owner = owner_of(py::make_tuple(records, labels, offsets, mirror, color));
  return bound;
}

const Batch& BoundBatch::for_network(const Replica& net) const {
  const Shape& in = net.input();
  if (batch.raw) {
    require<ShapeError>(images.c == in.c, "records must be uint8 ({}, H, W, {}), got {} channels",
                        images.n, in.c, images.c);
    return batch;
  }
  require<ShapeError>(images.c == in.c && images.h == in.h && images.w == in.w,
                      "images must be (N, {}, {}, {}), got ({}, {}, {}, {})", in.c, in.h, in.w,
                      images.n, images.c, images.h, images.w);
  require<ConfigError>(dtype == net.compute_type(), "images must be {}, not {}",
                       name_of(net.compute_type()), name_of(dtype));
  return batch;
}

Batch to_batch(const Replica& net, const py::array& images) {
  require_images(net, images);
  const int n = int(images.shape(0));
  return {borrow(images, net.compute_type(), n * net.input().per_image(), "images"), nullptr, n};
}

Batch to_batch(const Replica& net, const py::array& images, const py::array& labels) {
  Batch batch = to_batch(net, images);
  add_labels(batch, labels);
  return batch;
}

}  // namespace alexnet
