// Conversion between Python and C++ values. Makes no decisions.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "core/dtype.h"
#include "core/errors.h"
#include "graph/description.h"
#include "train/parameters.h"
#include "train/precision.h"

namespace alexnet {

namespace py = pybind11;

inline Precision parse_precision(const std::string& name) {
  if (name == "fp32") return {};
  if (name == "tf32") return {DType::f32, true};
  if (name == "bf16") return {DType::bf16};
  require<ConfigError>(name == "fp64", "unknown precision '{}': choose fp32, tf32, bf16 or fp64",
                       name);
  return {DType::f64};
}

inline ParamKind parse_kind(const std::string& kind) {
  if (kind == "value") return ParamKind::value;
  if (kind == "momentum") return ParamKind::momentum;
  require<ConfigError>(kind == "gradient", "unknown kind '{}': choose value, momentum or gradient",
                       kind);
  return ParamKind::gradient;
}

inline py::dtype numpy_dtype(DType t) {
  return t == DType::f64 ? py::dtype::of<double>() : py::dtype::of<float>();
}

// Returns the borrowed memory of an array, which must be C-contiguous and have this dtype and
// `count` elements.
inline const void* borrow(const py::array& array, DType dtype, int64_t count, const char* what) {
  require<ConfigError>(
      array.dtype().is(numpy_dtype(dtype)) || array.dtype().equal(numpy_dtype(dtype)),
      "{} must be {}, not {}", what, name_of(dtype), std::string(py::str(array.dtype())));
  require<ConfigError>(array.flags() & py::array::c_style, "{} must be C-contiguous", what);
  require<ShapeError>(array.size() == count, "{} has {} elements, expected {}", what, array.size(),
                      count);
  return array.data();
}

inline std::vector<py::ssize_t> dims(const Shape& s) { return {s.n, s.c, s.h, s.w}; }

inline AttrValue to_attr(const std::string& key, const py::handle& value) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value)) return value.cast<int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  require<ConfigError>(py::isinstance<py::str>(value),
                       "'{}' must be a number, a string or a boolean", key);
  return value.cast<std::string>();
}

inline Attrs to_attrs(const py::dict& values) {
  Attrs attrs;
  for (const auto& [key, value] : values)
    attrs.set(key.cast<std::string>(), to_attr(key.cast<std::string>(), value));
  return attrs;
}

inline LayerDesc to_layer(const py::handle& mapping) {
  LayerDesc layer;
  for (const auto& [k, value] : py::dict(py::reinterpret_borrow<py::object>(mapping))) {
    const auto key = k.cast<std::string>();
    if (key == "name") {
      layer.name = value.cast<std::string>();
    } else if (key == "type") {
      layer.type = value.cast<std::string>();
    } else if (key == "towers") {
      layer.towers = value.cast<int>();
    } else if (key == "device") {
      layer.device = value.cast<int>();
    } else if (key == "input") {
      if (py::isinstance<py::str>(value)) {
        layer.inputs = {value.cast<std::string>()};
      } else {
        layer.inputs = value.cast<std::vector<std::string>>();
      }
    } else {
      layer.attrs.set(key, to_attr(key, value));
    }
  }
  return layer;
}

}  // namespace alexnet
