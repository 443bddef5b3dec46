// Images to records: resizing, and moments of the pixels.
#include "bindings/bind.h"
#include "images/moments.h"
#include "images/resize.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

void resize(const Array<uint8_t>& image, Array<uint8_t>& out) {
  for (const Array<uint8_t>* a : {&image, static_cast<const Array<uint8_t>*>(&out)})
    require<ShapeError>(a->ndim() == 3 && a->shape(2) == 3, "images must be uint8 (H, W, 3)");
  const RgbSize in_size{int(image.shape(0)), int(image.shape(1))};
  const RgbSize out_size{int(out.shape(0)), int(out.shape(1))};
  const uint8_t* in = image.data();
  uint8_t* to = out.mutable_data();
  const py::gil_scoped_release nogil;
  resize_cover(in, in_size, to, out_size);
}

void moments(const Array<uint8_t>& images, Array<uint64_t>& sums, Array<uint64_t>& products) {
  require<ShapeError>(images.ndim() == 4, "images must be uint8 (N, H, W, C)");
  const auto n = images.shape(0), h = images.shape(1), w = images.shape(2), c = images.shape(3);
  require<ShapeError>(
      sums.ndim() == 3 && sums.shape(0) == h && sums.shape(1) == w && sums.shape(2) == c,
      "sums must be uint64 ({}, {}, {})", h, w, c);
  require<ShapeError>(products.ndim() == 2 && products.shape(0) == c && products.shape(1) == c,
                      "products must be uint64 ({}, {})", c, c);
  const uint8_t* in = images.data();
  uint64_t *to_sums = sums.mutable_data(), *to_products = products.mutable_data();
  const py::gil_scoped_release nogil;
  add_moments(in, n, int64_t(h) * w, int(c), to_sums, to_products);
}

}  // namespace

void bind_images(py::module_& m) {
  m.def("resize_cover", &resize, "image"_a.noconvert(), "out"_a.noconvert(),
        "Crops the largest central part of image, uint8 (H, W, 3), that has the aspect\n"
        "ratio of out, uint8 (h, w, 3), and resizes it to out. Uses a triangle filter to\n"
        "reduce and a cubic filter to enlarge. The result is the same on every machine.\n"
        "Releases the GIL.");
  m.def("add_moments", &moments, "images"_a.noconvert(), "sums"_a.noconvert(),
        "products"_a.noconvert(),
        "Adds images, uint8 (N, H, W, C), to sums, uint64 (H, W, C), and the products\n"
        "of their channels, summed over all pixels, to products, uint64 (C, C).\n"
        "Releases the GIL.");
}

}  // namespace alexnet
