#include "bindings/bind.h"
#include "train/layer_runner.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

Shape to_shape(const std::vector<int>& s) {
  require<ConfigError>(s.size() == 4, "an input shape must be (images, channels, height, width)");
  return {s[0], s[1], s[2], s[3]};
}

std::vector<py::array> make_arrays(const LayerRunner& r, const std::vector<Shape>& shapes) {
  std::vector<py::array> out;
  for (const Shape& s : shapes) out.emplace_back(numpy_dtype(r.compute_type()), dims(s));
  return out;
}

std::vector<void*> pointers(std::vector<py::array>& arrays) {
  std::vector<void*> out;
  for (py::array& a : arrays) out.push_back(a.mutable_data());
  return out;
}

std::vector<const void*> borrow_all(const LayerRunner& r, const std::vector<py::array>& arrays,
                                    const std::vector<Shape>& shapes, const char* what) {
  require<ConfigError>(arrays.size() == shapes.size(), "{}: {} arrays, expected {}", what,
                       arrays.size(), shapes.size());
  std::vector<const void*> out;
  for (size_t i = 0; i < arrays.size(); ++i)
    out.push_back(borrow(arrays[i], r.compute_type(), shapes[i].count(), what));
  return out;
}

std::vector<Shape> shapes_of(const std::vector<ParamSpec>& specs) {
  std::vector<Shape> out;
  for (const ParamSpec& p : specs) out.push_back(p.shape);
  return out;
}

std::vector<py::array> in_order(const std::vector<ParamSpec>& specs, const py::dict& given) {
  std::vector<py::array> values;
  for (const ParamSpec& p : specs) {
    require<ConfigError>(given.contains(p.name), "parameter '{}' is missing", p.name);
    values.push_back(given[py::str(p.name)].cast<py::array>());
  }
  return values;
}

py::dict named_shapes(const std::vector<ParamSpec>& specs) {
  py::dict out;
  for (const ParamSpec& p : specs)
    out[py::str(p.name)] = py::make_tuple(p.shape.n, p.shape.c, p.shape.h, p.shape.w);
  return out;
}

std::vector<py::array> forward(LayerRunner& r, const std::vector<py::array>& inputs,
                               const py::dict& params, const py::dict& state, bool training,
                               uint64_t seed, uint64_t step, int64_t first_image,
                               const py::object& labels, double loss_scale) {
  const std::vector<py::array> values = in_order(r.plan().params, params);
  const std::vector<py::array> states = in_order(r.plan().state, state);
  StepContext context;
  context.training = training;
  context.seed = seed;
  context.step = step;
  context.first_image = first_image;
  context.loss_scale = loss_scale;
  py::array_t<int32_t, py::array::c_style> held;
  if (!labels.is_none()) {
    held = labels.cast<py::array_t<int32_t, py::array::c_style>>();
    context.labels = {held.data(), {int(held.size()), 1, 1, 1}, {}};
  }
  std::vector<py::array> out = make_arrays(r, r.plan().outputs);
  r.forward(borrow_all(r, inputs, r.inputs(), "inputs"),
            borrow_all(r, values, shapes_of(r.plan().params), "params"), context, pointers(out),
            borrow_all(r, states, shapes_of(r.plan().state), "state"));
  return out;
}

py::tuple backward(LayerRunner& r, const std::vector<py::array>& d_outputs) {
  std::vector<py::array> d_in = make_arrays(r, r.inputs());
  std::vector<py::array> d_params = make_arrays(r, shapes_of(r.plan().params));
  r.backward(borrow_all(r, d_outputs, r.plan().outputs, "d_outputs"), pointers(d_in),
             pointers(d_params));
  py::dict named;
  for (size_t i = 0; i < d_params.size(); ++i)
    named[py::str(r.plan().params[i].name)] = d_params[i];
  return py::make_tuple(d_in, named);
}

}  // namespace

void bind_layer_runner(py::module_& m) {
  py::class_<LayerRunner>(
      m, "LayerRunner",
      "Runs a single layer, forward and backward, on given arrays. For tests.\n"
      "\n"
      "Arrays are float32 (float64 with precision \"fp64\") and C-contiguous. Raises\n"
      "ValueError if an argument is not valid.")
      .def(py::init([](const std::string& type, const py::dict& attrs,
                       const std::vector<std::vector<int>>& input_shapes, const std::string& device,
                       const std::string& precision, const std::string& name, int threads,
                       bool reads_image) {
             std::vector<Shape> shapes;
             for (const auto& s : input_shapes) shapes.push_back(to_shape(s));
             return std::make_unique<LayerRunner>(type, to_attrs(attrs), shapes, device,
                                                  parse_precision(precision), name, threads,
                                                  reads_image);
           }),
           "type"_a, "attrs"_a, "input_shapes"_a, py::kw_only(), "device"_a = "cpu:0",
           "precision"_a = "fp32", "name"_a = "layer", "threads"_a = 0, "reads_image"_a = false,
           "type: the layer type, such as \"conv\". attrs: attributes of the layer.\n"
           "input_shapes: (N, C, H, W) for each input. reads_image: behave as the first\n"
           "layer of a network, which computes no gradient with respect to its input.")
      .def_property_readonly(
          "engine", [](const LayerRunner& r) { return r.plan().engine; },
          "The convolution engine in use; \"\" for layers without engines.")
      .def(
          "param_shapes", [](const LayerRunner& r) { return named_shapes(r.plan().params); },
          "Shape of each parameter by name, as four numbers.")
      .def(
          "state_shapes", [](const LayerRunner& r) { return named_shapes(r.plan().state); },
          "Shape of each state by name, as four numbers.")
      .def("forward", &forward, "inputs"_a, "params"_a = py::dict(), py::kw_only(),
           "state"_a = py::dict(), "training"_a = true, "seed"_a = 0, "step"_a = 0,
           "first_image"_a = 0, "labels"_a = py::none(), "loss_scale"_a = 1.0,
           "Returns the outputs of the layer as a list of arrays. params, state: arrays by\n"
           "name. seed, step and first_image select the random draws. labels: int32 (N,),\n"
           "for layers with a loss.")
      .def("backward", &backward, "d_outputs"_a,
           "Returns the gradients with respect to the inputs (a list) and to the parameters\n"
           "(a dict). Call it after forward().")
      .def(
          "state",
          [](LayerRunner& r) {
            py::dict out;
            for (size_t i = 0; i < r.plan().state.size(); ++i) {
              std::vector<py::array> one = make_arrays(r, {r.plan().state[i].shape});
              r.state(i, one[0].mutable_data());
              out[py::str(r.plan().state[i].name)] = one[0];
            }
            return out;
          },
          "After forward(): the state by name, as the update of the step leaves it.")
      .def(
          "saved",
          [](LayerRunner& r, size_t index) {
            require<ConfigError>(index < r.plan().saved.size(),
                                 "there is no saved value {}: the layer saves {} values", index,
                                 r.plan().saved.size());
            std::vector<py::array> out = make_arrays(r, {r.plan().saved[index]});
            r.saved(index, out[0].mutable_data());
            return out[0];
          },
          "index"_a,
          "Returns a value that the layer keeps for backward(), by index. Call it after\n"
          "forward().");
}

}  // namespace alexnet
