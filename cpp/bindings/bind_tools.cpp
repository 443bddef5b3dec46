// Devices, random bits and augmentation.
#include <cstdlib>

#include "bindings/bind.h"
#include "core/backend.h"
#include "core/communicator.h"
#include "core/philox.h"
#include "train/augmenter.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

void augment(const Array<uint8_t>& images, Array<float>& out, const Array<int32_t>& offsets,
             const Array<uint8_t>& mirror, const std::optional<Array<float>>& mean,
             const std::optional<Array<float>>& color, float scale, int threads) {
  require<ShapeError>(images.ndim() == 4, "images must be uint8 (N, H, W, C)");
  const int n = int(images.shape(0)), height = int(images.shape(1)), width = int(images.shape(2)),
            c = int(images.shape(3));
  require<ShapeError>(out.ndim() == 4 && out.shape(0) == n && out.shape(1) == c,
                      "out must be float32 ({}, {}, h, w)", n, c);
  const int h = int(out.shape(2)), w = int(out.shape(3));
  require<ShapeError>(offsets.ndim() == 2 && offsets.shape(0) == n && offsets.shape(1) == 2,
                      "offsets must be int32 ({}, 2)", n);
  require<ShapeError>(mirror.ndim() == 1 && mirror.shape(0) == n, "mirror must be uint8 ({},)", n);
  for (int i = 0; i < n; ++i)
    require<ShapeError>(
        offsets.at(i, 0) >= 0 && offsets.at(i, 0) + h <= height && offsets.at(i, 1) >= 0 &&
            offsets.at(i, 1) + w <= width,
        "a crop of {}x{} at ({}, {}) is not inside image {}, which has {}x{} pixels", h, w,
        offsets.at(i, 0), offsets.at(i, 1), i, height, width);
  Augment<float> op;
  op.height = height;
  op.width = width;
  op.scale = scale;
  op.images = {images.data(), {n, height, width, c}, {}};
  op.offsets = {offsets.data(), {n, 2, 1, 1}, {}};
  op.mirror = {mirror.data(), {n, 1, 1, 1}, {}};
  op.out = {out.mutable_data(), {n, c, h, w}, {}};
  if (mean) {
    const bool whole = mean->ndim() == 3 && mean->shape(1) == height && mean->shape(2) == width;
    require<ShapeError>(mean->ndim() == 3 && mean->shape(0) == c &&
                            (whole || (mean->shape(1) == h && mean->shape(2) == w)),
                        "mean must be float32 ({}, {}, {}) or ({}, {}, {})", c, h, w, c, height,
                        width);
    op.mean_matched = whole;
    op.mean = {mean->data(), {1, c, int(mean->shape(1)), int(mean->shape(2))}, {}};
  }
  if (color) {
    require<ShapeError>(color->ndim() == 2 && color->shape(0) == n && color->shape(1) == c,
                        "color must be float32 ({}, {})", n, c);
    op.color = {color->data(), {n, c, 1, 1}, {}};
  }
  require<ConfigError>(threads > 0, "threads must be at least 1, got {}", threads);
  const py::gil_scoped_release nogil;
  augment_on_cpu(op, threads);
}

py::list device_list() {
  py::list out;
  for (const BackendApi* api : backends())
    for (const DeviceInfo& d : api->devices())
      out.append(py::dict("name"_a = d.name, "description"_a = d.description));
  return out;
}

py::list unavailable() {
  py::list out;
  try {
    backend(DeviceKind::cuda);
  } catch (const UnavailableError& e) {
    out.append(py::dict("name"_a = "cuda", "reason"_a = e.what()));
  }
  return out;
}

// Values of --communicator other than the built-in one, for the back ends available here.
py::list communicators() {
  py::list out;
  for (const BackendApi* api : backends()) {
    const CommunicatorApi* own = api->communicator;
    if (!own) continue;
    const std::string missing = own->missing({});
    out.append(py::dict("name"_a = own->name, "title"_a = missing.empty() ? own->title() : "",
                        "missing"_a = missing));
  }
  return out;
}

// Host memory that the device accesses directly. The array owns the device, which is needed to
// release the memory.
Array<uint8_t> host_memory(int64_t bytes, const std::string& name) {
  struct Memory {
    std::unique_ptr<Device> device;
    void* data = nullptr;
    ~Memory() {
      if (data) device->release_host(data);
    }
  };
  require<ConfigError>(bytes >= 0, "the number of bytes must not be negative, got {}", bytes);
  const DeviceId id = parse_device(name);
  auto memory = std::make_unique<Memory>();
  memory->device = backend(id.kind).make_device(id, 1);
  memory->data = memory->device->allocate_host(size_t(bytes));
  auto* data = static_cast<uint8_t*>(memory->data);
  const py::capsule owner(memory.release(), [](void* p) { delete static_cast<Memory*>(p); });
  return Array<uint8_t>({py::ssize_t(bytes)}, data, owner);
}

py::array_t<uint32_t> philox_bits(uint64_t seed, uint32_t site, uint64_t step, uint64_t first,
                                  size_t count) {
  py::array_t<uint32_t> out{py::ssize_t(count)};
  uint32_t* data = out.mutable_data();
  const RandomSite random{seed, site};
  const py::gil_scoped_release nogil;
  for (uint64_t block = first / 4; block * 4 < first + count; ++block) {
    const Philox4 four = random.four(step, block);
    for (uint64_t i = 0; i < 4; ++i)
      if (const uint64_t at = block * 4 + i; at >= first && at < first + count)
        data[at - first] = four.v[i];
  }
  return out;
}

}  // namespace

void bind_tools(py::module_& m) {
  m.def("devices", &device_list,
        "Returns the devices available on this machine, each a dict {\"name\",\n"
        "\"description\"}.");
  m.def("unavailable_backends", &unavailable,
        "Returns the back ends that are not available on this machine, each a dict\n"
        "{\"name\", \"reason\"}.");
  m.def("communicators", &communicators,
        "Returns the communicators other than \"built-in\", each a dict {\"name\", \"title\",\n"
        "\"missing\"}; missing is \"\" if it can be used.");
  m.def("available_threads", &available_threads,
        "Number of CPU threads that this process may use.");
  m.def("host_memory", &host_memory, "bytes"_a, "device"_a,
        "Allocates host memory that the device reads directly (pinned, for a GPU), uint8\n"
        "(bytes,). Raises UnavailableError if the device is not available.");
  m.def(
      "cpu_kernels", [] { return backend(DeviceKind::cpu).devices()[0].kernels; },
      "The instruction set of the CPU kernels in use: \"avx512\", \"avx2\" or \"generic\".");
  m.def(
      "site_of", [](const std::string& name) { return site_of(name); }, "name"_a,
      "The number that selects the random draws of a layer with this name.");
  m.def("philox_bits", &philox_bits, "seed"_a, "site"_a, "step"_a, "first"_a, "count"_a,
        "Random bits of elements first to first + count - 1 from Philox4x32-10, uint32\n"
        "(count,).");
  m.def("augment", &augment, "images"_a.noconvert(), "out"_a.noconvert(), "offsets"_a.noconvert(),
        "mirror"_a.noconvert(), "mean"_a.noconvert() = py::none(),
        "color"_a.noconvert() = py::none(), "scale"_a = 1.0f, "threads"_a = 1,
        "out[n] = scale * (crop of images[n] at offsets[n] - mean + color[n]). The crop is\n"
        "mirrored if mirror[n] is not 0.\n"
        "\n"
        "images: uint8 (N, H, W, C). out: float32 (N, C, h, w). offsets: int32 (N, 2),\n"
        "top and left. mirror: uint8 (N,). mean: float32 (C, h, w), subtracted from every\n"
        "crop; or (C, H, W), of which the part at the crop is subtracted; or None. color:\n"
        "float32 (N, C) or None. Releases the GIL.\n"
        "Raises ValueError if a shape does not match or a crop is not inside its image.");
}

}  // namespace alexnet
