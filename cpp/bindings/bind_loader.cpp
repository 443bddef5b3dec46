// The loader of training batches, its records and its draws.
#include "bindings/bind.h"
#include "data/loader.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
using Pair = std::array<int, 2>;

RecordShape to_record_shape(const std::array<int, 3>& shape) {
  for (const int n : shape) require<ShapeError>(n > 0, "records must be (height, width, channels)");
  return {shape[0], shape[1], shape[2]};
}

std::shared_ptr<Records> memory_records(const Array<uint8_t>& images) {
  require<ShapeError>(images.ndim() == 4, "images must be uint8 (N, H, W, C)");
  const RecordShape shape{int(images.shape(1)), int(images.shape(2)), int(images.shape(3))};
  return records_in_memory(shape, images.shape(0), images.data());
}

ImageDraws make_draws(uint64_t seed, int channels, Pair crop, Pair positions, Pair first,
                      bool mirror, int group, const std::optional<Array<double>>& axes,
                      int64_t color_epochs, float scale, float color_scale) {
  AugmentSettings s;
  s.crop_height = crop[0];
  s.crop_width = crop[1];
  s.positions_y = positions[0];
  s.positions_x = positions[1];
  s.first_y = first[0];
  s.first_x = first[1];
  s.mirror = mirror;
  s.group = group;
  if (axes) s.axes.assign(axes->data(), axes->data() + axes->size());
  s.color_epochs = axes ? color_epochs : 0;
  s.scale = scale;
  s.color_scale = color_scale;
  return {std::move(s), channels, seed};
}

py::tuple draw(const ImageDraws& draws, int64_t epoch, int64_t first, int64_t count) {
  Array<int32_t> offsets({count, int64_t(2)});
  Array<uint8_t> mirror(count);
  Array<float> color({count, int64_t(draws.channels())});
  for (int64_t i = 0; i < count; ++i) {
    draws.window(epoch, first + i, offsets.mutable_data(i, 0));
    *mirror.mutable_data(i) = draws.mirrored(epoch, first + i);
    if (draws.has_color(epoch)) draws.color(epoch, first + i, color.mutable_data(i, 0));
  }
  return py::make_tuple(offsets, mirror,
                        draws.has_color(epoch) ? py::object(color) : py::object(py::none()));
}

// Gives the buffer back when the last array that uses it has been destroyed.
py::capsule owner_of(const Loader& loader, BatchBuffer* buffer) {
  struct Loan {
    std::shared_ptr<BatchBuffers> buffers;
    BatchBuffer* buffer;
  };
  return py::capsule(new Loan{loader.buffers(), buffer}, [](void* p) {
    const std::unique_ptr<Loan> loan(static_cast<Loan*>(p));
    if (loan->buffer) loan->buffers->give_back(loan->buffer);
  });
}

py::object next_batch(Loader& loader) {
  LoadedBatch b;
  {
    const py::gil_scoped_release nogil;
    if (!loader.next(&b)) return py::none();
  }
  const py::capsule owner = owner_of(loader, b.buffer);
  const RecordShape& r = loader.shape();
  const AugmentSettings& a = loader.draws().settings();
  const auto n = py::ssize_t(b.count);
  py::object images = py::none(), records = py::none(), color = py::none();
  if (b.buffer->images)
    images = Array<float>(
        {n, py::ssize_t(r.channels), py::ssize_t(a.crop_height), py::ssize_t(a.crop_width)},
        b.buffer->images, owner);
  else
    records =
        Array<uint8_t>({n, py::ssize_t(r.height), py::ssize_t(r.width), py::ssize_t(r.channels)},
                       b.buffer->records, owner);
  if (b.has_color) color = Array<float>({n, py::ssize_t(r.channels)}, b.buffer->color, owner);
  return py::dict("images"_a = images, "records"_a = records,
                  "labels"_a = Array<int32_t>({n}, b.buffer->labels),  // a copy
                  "offsets"_a = Array<int32_t>({n, py::ssize_t(2)}, b.buffer->offsets, owner),
                  "mirror"_a = Array<uint8_t>({n}, b.buffer->mirror, owner), "color"_a = color,
                  "scale"_a = b.scale, "epoch"_a = b.epoch, "first"_a = b.first, "last"_a = b.last);
}

py::object claim(Loader& loader) {
  LoadedBatch b;
  std::vector<int64_t> indices;
  {
    const py::gil_scoped_release nogil;
    if (!loader.claim(&b, &indices)) return py::none();
  }
  const RecordShape& r = loader.shape();
  const py::capsule owner = owner_of(loader, nullptr);
  return py::make_tuple(Array<int64_t>(py::ssize_t(indices.size()), indices.data()),
                        Array<uint8_t>({py::ssize_t(b.count), py::ssize_t(r.height),
                                        py::ssize_t(r.width), py::ssize_t(r.channels)},
                                       b.buffer->records, owner));
}

py::dict meter(const Loader& loader) {
  const LoaderMeter m = loader.meter();
  return py::dict("elapsed"_a = m.elapsed, "consumer_waited"_a = m.consumer_waited,
                  "producer_waited"_a = m.producer_waited, "images"_a = m.images,
                  "taken"_a = m.taken, "ready_at_take"_a = m.ready_at_take,
                  "buffers"_a = loader.buffers()->made());
}

std::unique_ptr<Loader> make_loader(const std::shared_ptr<Records>& records,
                                    const std::array<int, 3>& shape, const Array<int32_t>& labels,
                                    const ImageDraws& draws,
                                    const std::optional<Array<float>>& mean, int batch_size,
                                    int64_t epoch, int64_t offset, int threads, int prefetch,
                                    int rank, int ranks, bool on_device,
                                    const std::string& device) {
  const RecordShape record = to_record_shape(shape);
  require<ShapeError>(labels.ndim() == 1, "labels must be int32 (N,)");
  require<ShapeError>(
      !records ||
          (records->shape().bytes() == record.bytes() && records->count() == labels.shape(0)),
      "records must have shape ({}, {}, {}) and one label each; there are {} labels", record.height,
      record.width, record.channels, labels.shape(0));
  LoaderOptions o;
  o.batch_size = batch_size;
  o.prefetch = prefetch;
  o.threads = threads;
  o.rank = rank;
  o.ranks = ranks;
  o.epoch = epoch;
  o.offset = offset;
  if (mean) {
    require<ShapeError>(mean->ndim() == 3, "mean must be float32 (C, H, W) or (C, h, w)");
    o.mean.values.assign(mean->data(), mean->data() + mean->size());
    o.mean.matched = mean->shape(1) == record.height && mean->shape(2) == record.width;
  }
  o.on_device = on_device;
  o.device = device;
  return std::make_unique<Loader>(records, record, labels.data(), labels.shape(0), draws,
                                  std::move(o));
}

}  // namespace

void bind_loader(py::module_& m) {
  py::class_<Records, std::shared_ptr<Records>>(
      m, "Records", "The source of pixels for a Loader: uint8 (H, W, C) per image.");
  m.def("records_in_memory", &memory_records, "images"_a.noconvert(), py::keep_alive<0, 1>(),
        "Records in an array, uint8 (N, H, W, C). The array is borrowed, not copied.");
  m.def(
      "records_in_files",
      [](const std::array<int, 3>& shape, int64_t count, const std::vector<std::string>& files,
         int64_t each) {
        return std::shared_ptr<Records>(
            records_in_files(to_record_shape(shape), count, files, each));
      },
      "shape"_a, "count"_a, "files"_a, "each"_a,
      "Records in files. each: number of records per file, except in the last one.\n"
      "count: total number of records. shape: height, width, channels.");
  m.def(
      "permutation",
      [](uint64_t seed, uint32_t site, uint64_t step, int64_t count) {
        const std::vector<int64_t> order = permutation({seed, site}, step, count);
        return Array<int64_t>(py::ssize_t(order.size()), order.data());
      },
      "seed"_a, "site"_a, "step"_a, "count"_a,
      "A random permutation of 0 to count - 1, int64 (count,); equal arguments give\n"
      "equal results.");

  py::class_<ImageDraws>(
      m, "ImageDraws",
      "The random crop, mirroring and color noise of each image, by epoch and\n"
      "position in the epoch. alexnet_native.data.augment documents the settings.")
      .def(py::init(&make_draws), py::kw_only(), "seed"_a, "channels"_a, "crop"_a, "positions"_a,
           "first"_a, "mirror"_a, "group"_a, "axes"_a, "color_epochs"_a, "scale"_a, "color_scale"_a,
           "crop: height, width. positions: number of vertical and horizontal crop offsets.\n"
           "first: the first of these offsets. group: number of consecutive images that\n"
           "share their draws. axes: float64 (C, C), or None for no color noise.\n"
           "color_epochs: number of epochs with color noise, in which color_scale replaces\n"
           "scale.")
      .def("draw", &draw, "epoch"_a, "first"_a, "count"_a,
           "Returns the draws of `count` images from position `first` on: offsets int32\n"
           "(count, 2), top and left; mirror uint8 (count,); color float32 (count, C), or\n"
           "None in an epoch without color noise.");

  py::class_<Loader>(
      m, "Loader",
      "Prepares batches ahead of time on its own threads. alexnet_native.data.loader\n"
      "wraps it.")
      .def(py::init(&make_loader), py::keep_alive<1, 2>(), py::keep_alive<1, 4>(), "records"_a,
           "shape"_a, "labels"_a.noconvert(), "draws"_a, "mean"_a.noconvert(), py::kw_only(),
           "batch_size"_a, "epoch"_a, "offset"_a, "threads"_a, "prefetch"_a, "rank"_a, "ranks"_a,
           "on_device"_a, "device"_a,
           "records: None if they are supplied by claim() and hand_over(). shape: height,\n"
           "width, channels of a record. labels: int32 (N,). mean: as in augment(). epoch,\n"
           "offset: where to start. on_device: return records instead of augmented images.\n"
           "device: batches are stored in host memory that this device reads directly.\n"
           "Raises ValueError if an argument is not valid.")
      .def("next", &next_batch,
           "Waits for the next batch and returns it as a dict of arrays. The loader reuses\n"
           "their memory when the arrays have been destroyed. Returns None after close(),\n"
           "and after fail() when no batch is left. Raises the error that stopped a thread.")
      .def("claim", &claim,
           "Waits for a free buffer and returns the indices of its images, int64 (N,), and\n"
           "the array to write their records to, uint8 (N, H, W, C). Returns None after\n"
           "close().")
      .def("hand_over", &Loader::hand_over,
           "Tells the loader that the records of the last claim() have been written.")
      .def("fail", &Loader::fail,
           "Tells the loader that an error occurred and no more records will be written.\n"
           "next() returns None when no batch is left.")
      .def("meter", &meter,
           "Returns counts and waiting times in seconds since the start, as a dict.")
      .def("close", &Loader::close, py::call_guard<py::gil_scoped_release>(),
           "Stops the threads and waits until they have ended.");
}

}  // namespace alexnet
