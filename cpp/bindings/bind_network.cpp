#include "bindings/batches.h"
#include "bindings/bind.h"
#include "train/replicas.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

Shape to_input(const std::vector<int>& shape) {
  require<ConfigError>(shape.size() == 3, "the input shape is (channels, height, width)");
  return {1, shape[0], shape[1], shape[2]};
}

py::dict to_dict(const LayerInfo& l) {
  return py::dict("name"_a = l.name, "type"_a = l.type, "device"_a = l.device,
                  "output"_a = py::make_tuple(l.output.c, l.output.h, l.output.w),
                  "parameters"_a = l.parameters, "multiply_adds"_a = l.multiply_adds,
                  "memory_bytes"_a = l.memory_bytes, "engine"_a = l.engine,
                  "weight_std"_a = l.weight_std);
}

py::dict to_dict(const PlanInfo& plan, const GradientTraffic& traffic) {
  py::list layers, edges, memory;
  for (const LayerInfo& l : plan.layers) layers.append(to_dict(l));
  for (const CrossEdge& e : plan.edges)
    edges.append(py::dict("value"_a = e.value, "source"_a = e.source, "target"_a = e.target,
                          "forward_bytes"_a = e.forward_bytes,
                          "backward_bytes"_a = e.backward_bytes));
  for (size_t i = 0; i < plan.devices.size(); ++i)
    memory.append(py::dict("device"_a = plan.devices[i],
                           "parameter_bytes"_a = plan.parameter_bytes[i],
                           "activation_bytes"_a = plan.activation_bytes[i],
                           "reduction_bytes"_a = traffic.device_bytes));
  const py::dict reduction("replicas"_a = traffic.replicas, "buckets"_a = traffic.buckets,
                           "bytes"_a = traffic.bytes, "communicator"_a = traffic.communicator);
  return py::dict("layers"_a = layers, "cross_edges"_a = edges, "memory"_a = memory,
                  "reduction"_a = reduction, "parameters"_a = plan.parameters,
                  "multiply_adds"_a = plan.multiply_adds);
}

// Dense weights are (channels, features), biases (channels,): trailing ones are not shown.
std::vector<py::ssize_t> param_dims(const Shape& s) {
  if (s.h == 1 && s.w == 1 && s.c == 1) return {s.n};
  if (s.h == 1 && s.w == 1) return {s.n, s.c};
  return dims(s);
}

py::array output_array(const Network& net, std::vector<py::ssize_t> shape) {
  return py::array(numpy_dtype(net.compute_type()), std::move(shape));
}

}  // namespace

void bind_network(py::module_& m) {
  py::class_<StepResult>(m, "StepResult")
      .def_readonly("loss", &StepResult::loss)
      .def_readonly("top1", &StepResult::top1)
      .def_readonly("top5", &StepResult::top5)
      .def_readonly("images", &StepResult::images);

  py::class_<Replicas> network(m, "Network");
  network
      .def(py::init([](const py::sequence& layers, const std::vector<int>& input_shape,
                       const std::vector<std::string>& devices, uint64_t seed,
                       const std::string& precision, int threads, bool fuse, int replicas,
                       const std::string& communicator) {
             Description d{to_input(input_shape), {}};
             for (const auto& layer : layers) d.layers.push_back(to_layer(layer));
             return std::make_unique<Replicas>(
                 d,
                 NetworkOptions{devices, seed, parse_precision(precision), threads, fuse,
                                communicator},
                 replicas);
           }),
           "layers"_a, "input_shape"_a, py::kw_only(),
           "devices"_a = std::vector<std::string>{"cpu:0"}, "seed"_a = 0, "precision"_a = "fp32",
           "threads"_a = 0, "fuse"_a = true, "replicas"_a = 1, "communicator"_a = "built-in")
      .def_property_readonly("devices", &Replicas::device_names)
      .def_property_readonly("classes",
                             [](const Replicas& n) { return n.first().output().per_image(); })
      .def(
          "plan",
          [](Replicas& n, int batch, bool training, bool accumulates) {
            return to_dict(n.plan(batch, training, accumulates),
                           training ? n.traffic() : GradientTraffic{});
          },
          "batch"_a, "training"_a = true, "accumulates"_a = false)
      .def(
          "program",
          [](Replicas& n, int batch, bool training) { return n.program(batch, training); },
          "batch"_a, "training"_a = true)
      .def("layer_names", [](const Replicas& n) { return n.first().layer_names(); })
      .def("param_names", [](Replicas& n) { return n.first().parameters().names(); })
      .def(
          "param_shape",
          [](Replicas& n, const std::string& name) {
            return py::tuple(py::cast(param_dims(n.first().parameters().shape(name))));
          },
          "name"_a)
      .def(
          "get",
          [](Replicas& n, const std::string& name, const std::string& kind) {
            py::array out = output_array(n.first(), param_dims(n.first().parameters().shape(name)));
            void* data = out.mutable_data();
            const ParamKind k = parse_kind(kind);
            const py::gil_scoped_release nogil;
            n.read(name, k, data);
            return out;
          },
          "name"_a, "kind"_a = "value")
      .def(
          "set",
          [](Replicas& n, const std::string& name, const std::string& kind,
             const py::array& value) {
            const Shape shape = n.first().parameters().shape(name);
            const void* data = borrow(value, n.first().compute_type(), shape.count(), name.c_str());
            const ParamKind k = parse_kind(kind);
            const py::gil_scoped_release nogil;
            n.write(name, k, data);
          },
          "name"_a, "kind"_a, "value"_a)
      .def(
          "set_update",
          [](Replicas& n, const std::string& name, double lr, double momentum, double decay) {
            n.set_update(name, {lr, momentum, decay});
          },
          "name"_a, "lr"_a, "momentum"_a, "decay"_a)
      .def(
          "forward_backward",
          [](Replicas& n, const py::array& images, const py::array& labels, uint64_t step,
             int64_t first_image, int64_t total) {
            const Batch batch = to_batch(n.first(), images, labels);
            const py::gil_scoped_release nogil;
            return n.forward_backward(batch, step, first_image, total);
          },
          "images"_a, "labels"_a, py::kw_only(), "step"_a, "first_image"_a = 0, "total"_a = 0)
      .def(
          "forward_backward_raw",
          [](Replicas& n, const py::dict& raw, const py::array& labels, uint64_t step,
             int64_t first_image, int64_t total) {
            const Batch batch = to_raw_batch(n.first(), raw, labels);
            const py::gil_scoped_release nogil;
            return n.forward_backward(batch, step, first_image, total);
          },
          "raw"_a, "labels"_a, "step"_a, "first"_a, "total"_a)
      .def(
          "set_mean",
          [](Replicas& n, const std::optional<py::array_t<float, py::array::c_style>>& mean) {
            RawMean raw;
            if (mean) {
              require<ShapeError>(mean->ndim() == 3, "mean must be float32 (C, H, W) or (C, h, w)");
              raw.shape = {1, int(mean->shape(0)), int(mean->shape(1)), int(mean->shape(2))};
              raw.values.assign(mean->data(), mean->data() + mean->size());
            }
            n.set_mean(std::move(raw));
          },
          "mean"_a.noconvert())
      .def("update", &Replicas::update, py::call_guard<py::gil_scoped_release>())
      .def(
          "train_step",
          [](Replicas& n, const py::array& images, const py::array& labels, uint64_t step) {
            const Batch batch = to_batch(n.first(), images, labels);
            const py::gil_scoped_release nogil;
            return n.train_step(batch, step);
          },
          "images"_a, "labels"_a, py::kw_only(), "step"_a)
      .def(
          "train_step_raw",
          [](Replicas& n, const py::dict& raw, const py::array& labels, uint64_t step) {
            const Batch batch = to_raw_batch(n.first(), raw, labels);
            const py::gil_scoped_release nogil;
            return n.train_step(batch, step);
          },
          "raw"_a, "labels"_a, "step"_a)
      .def(
          "enqueue_step",
          [](Replicas& n, const py::array& images, const py::array& labels, uint64_t step,
             int64_t first_image, int64_t total) {
            const Batch batch = kept(to_batch(n.first(), images, labels), images, labels);
            const py::gil_scoped_release nogil;
            n.enqueue_step(batch, step, first_image, total);
          },
          "images"_a, "labels"_a, py::kw_only(), "step"_a, "first_image"_a = 0, "total"_a = 0)
      .def(
          "enqueue_step_raw",
          [](Replicas& n, const py::dict& given, const py::array& labels, uint64_t step,
             int64_t first_image, int64_t total) {
            const Batch batch = kept(to_raw_batch(n.first(), given, labels), given, labels);
            const py::gil_scoped_release nogil;
            n.enqueue_step(batch, step, first_image, total);
          },
          "raw"_a, "labels"_a, "step"_a, "first"_a, "total"_a)
      .def("next_result", &Replicas::next_result, py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("waiting_steps", &Replicas::waiting_steps)
      .def_property_readonly("overlaps", &Replicas::overlaps)
      .def(
          "predict",
          [](Replicas& n, const py::array& images) {
            const Batch batch = to_batch(n.first(), images);
            py::array out =
                output_array(n.first(), {batch.count, py::ssize_t(n.first().output().per_image())});
            void* data = out.mutable_data();
            const py::gil_scoped_release nogil;
            n.predict(batch, data);
            return out;
          },
          "images"_a)
      .def(
          "evaluate",
          [](Replicas& n, const py::array& images, const py::array& labels) {
            const Batch batch = to_batch(n.first(), images, labels);
            const py::gil_scoped_release nogil;
            return n.evaluate(batch);
          },
          "images"_a, "labels"_a)
      .def(
          "features",
          [](Replicas& n, const py::array& images, const std::string& layer) {
            const Batch batch = to_batch(n.first(), images);
            py::array out =
                output_array(n.first(), dims(n.first().feature_shape(layer, batch.count)));
            void* data = out.mutable_data();
            const py::gil_scoped_release nogil;
            n.features(batch, layer, data);
            return out;
          },
          "images"_a, "layer"_a);
  bind_profile(m, network);
}

}  // namespace alexnet
