#include "bindings/batches.h"
#include "bindings/bind.h"
#include "train/network.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

Shape to_input(const std::vector<int>& shape) {
  require<ConfigError>(shape.size() == 3, "the input shape must be (channels, height, width)");
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

// Removes trailing dimensions of 1: dense weights are (channels, features), biases (channels,).
std::vector<py::ssize_t> param_dims(const Shape& s) {
  if (s.h == 1 && s.w == 1 && s.c == 1) return {s.n};
  if (s.h == 1 && s.w == 1) return {s.n, s.c};
  return dims(s);
}

py::array output_array(const Replica& net, std::vector<py::ssize_t> shape) {
  return py::array(numpy_dtype(net.compute_type()), std::move(shape));
}

}  // namespace

void bind_network(py::module_& m) {
  py::class_<StepResult>(m, "StepResult",
                         "Result of a step or an evaluation: sums over its images.")
      .def_readonly("loss", &StepResult::loss, "Sum of the losses of the images, in nats.")
      .def_readonly(
          "top1", &StepResult::top1,
          "Sum of the top-1 accuracies: 1 if correct, 1/n if n tied classes include the label.")
      .def_readonly("top5", &StepResult::top5, "Sum of the top-5 accuracies, with ties as in top1.")
      .def_readonly("images", &StepResult::images, "Number of images.")
      .def_readonly("updated", &StepResult::updated,
                    "Whether a training step updated the parameters.");

  py::class_<BoundBatch>(m, "Batch",
                         "Images with labels, the input of a training step. The arrays are not\n"
                         "copied; do not change them while a step uses them.")
      .def(py::init(&BoundBatch::of_images), "images"_a, "labels"_a,
           "images: float32 (float64 with precision \"fp64\") (N, C, H, W), C-contiguous.\n"
           "labels: int32 (N,).\n"
           "Raises ValueError if an array has another shape or dtype.")
      .def_static("of_records", &BoundBatch::of_records, "records"_a, "labels"_a, py::kw_only(),
                  "offsets"_a, "mirror"_a, "color"_a, "scale"_a,
                  "Records that each device crops and augments: uint8 (N, H, W, C). offsets:\n"
                  "int32 (N, 2), top and left of each crop; mirror: uint8 (N,); color: float32\n"
                  "(N, C) or None; scale: factor by which the result is multiplied.\n"
                  "Loader.next() returns these with on_device=True.\n"
                  "Raises ValueError if an array has another shape or dtype.");

  py::class_<Network> network(
      m, "Network",
      "A network on its devices. alexnet_native.Net wraps it and is easier to use.\n"
      "\n"
      "Images are (N, C, H, W), of the input shape of the network. Images, parameters\n"
      "and results are float32 (float64 with precision \"fp64\") and C-contiguous;\n"
      "labels are int32 (N,). A call releases the GIL while it computes. Do not use\n"
      "one Network from two threads at the same time.\n"
      "\n"
      "Raises ValueError if an argument is not valid, DeviceError if a device\n"
      "fails, and UnavailableError if a device or communicator is not available on\n"
      "this machine.");
  network
      .def(py::init([](const py::sequence& layers, const std::vector<int>& input_shape,
                       const std::vector<std::string>& devices, uint64_t seed,
                       const std::string& precision, int threads, bool fuse, int replicas,
                       const std::string& communicator) {
             Description d{to_input(input_shape), {}};
             for (const auto& layer : layers) d.layers.push_back(to_layer(layer));
             return std::make_unique<Network>(
                 d,
                 NetworkOptions{devices, seed, parse_precision(precision), threads, fuse,
                                communicator},
                 replicas);
           }),
           "layers"_a, "input_shape"_a, py::kw_only(),
           "devices"_a = std::vector<std::string>{"cpu:0"}, "seed"_a = 0, "precision"_a = "fp32",
           "threads"_a = 0, "fuse"_a = true, "replicas"_a = 1, "communicator"_a = "built-in",
           "Builds the network and draws its initial parameters.\n"
           "\n"
           "layers: one mapping for each layer: \"name\", \"type\", \"input\" and the attributes\n"
           "of the type. input_shape: channels, height, width. devices: one, or two for\n"
           "two towers, for each replica. precision: \"fp32\", \"tf32\" (GPUs), \"bf16\" or\n"
           "\"fp64\". threads: CPU threads in total; 0: all that this process may use. fuse:\n"
           "compute ReLU and normalisation inside a neighbouring layer.\n"
           "Raises ValueError that names the layer if the description is not valid.")
      .def_property_readonly("devices", &Network::device_names,
                             "Names of the devices, as passed to the constructor.")
      .def_property_readonly(
          "classes", [](const Network& n) { return n.first().output().per_image(); },
          "Number of outputs for each image.")
      .def(
          "plan",
          [](Network& n, int batch, bool training, bool accumulates) {
            return to_dict(n.plan(batch, training, accumulates),
                           training ? n.traffic() : GradientTraffic{});
          },
          "batch"_a, "training"_a = true, "accumulates"_a = false,
          "Layers, copies between devices, memory and parameters for a batch of this\n"
          "size, as a dict. accumulates: the gradients of several parts of a batch are\n"
          "added up.")
      .def(
          "program",
          [](Network& n, int batch, bool training) { return n.program(batch, training); },
          "batch"_a, "training"_a = true,
          "Instructions that run for a batch of this size, one line of text for each.")
      .def(
          "layer_names", [](const Network& n) { return n.first().layer_names(); },
          "Names of the layers of the description, in order.")
      .def(
          "param_names", [](Network& n) { return n.first().parameters().names(); },
          "Names of the parameters: \"layer.weight\" and \"layer.bias\". A parameter that is\n"
          "split over devices has one name and is read and written as a whole.")
      .def(
          "state_names", [](Network& n) { return n.first().parameters().state_names(); },
          "Names of the state of layers, such as \"bn1.running_mean\": values that training\n"
          "changes without a gradient. param_shape(), get() and set() take them too; they\n"
          "have a \"value\" only.")
      .def(
          "param_shape",
          [](Network& n, const std::string& name) {
            return py::tuple(py::cast(param_dims(n.first().parameters().shape(name))));
          },
          "name"_a, "Shape of a parameter. Raises ValueError if there is no such parameter.")
      .def(
          "get",
          [](Network& n, const std::string& name, const std::string& kind) {
            py::array out = output_array(n.first(), param_dims(n.first().parameters().shape(name)));
            void* data = out.mutable_data();
            const ParamKind k = parse_kind(kind);
            const py::gil_scoped_release nogil;
            n.read(name, k, data);
            return out;
          },
          "name"_a, "kind"_a = "value",
          "A copy of a parameter: its \"value\", \"momentum\" or \"gradient\", an array of\n"
          "param_shape(name).\n"
          "Raises ValueError for an unknown name or kind.")
      .def(
          "set",
          [](Network& n, const std::string& name, const std::string& kind, const py::array& value) {
            const Shape shape = n.first().parameters().shape(name);
            const void* data = borrow(value, n.first().compute_type(), shape.count(), name.c_str());
            const ParamKind k = parse_kind(kind);
            const py::gil_scoped_release nogil;
            n.write(name, k, data);
          },
          "name"_a, "kind"_a, "value"_a,
          "Replaces the \"value\", \"momentum\" or \"gradient\" of a parameter.\n"
          "Raises ValueError for an unknown name or kind, or an array with another dtype\n"
          "or size.")
      .def(
          "set_update",
          [](Network& n, const std::string& name, double lr, double momentum, double decay) {
            n.set_update(name, {lr, momentum, decay});
          },
          "name"_a, "lr"_a, "momentum"_a, "decay"_a,
          "Sets how a parameter is updated: v <- momentum v - decay lr w - lr g, then w\n"
          "<- w + v. With lr 0 the parameter does not change and its gradient is not\n"
          "computed.")
      .def(
          "forward_backward",
          [](Network& n, const BoundBatch& bound, uint64_t step, int64_t first_image,
             int64_t total) {
            const Batch& batch = bound.for_network(n.first());
            const py::gil_scoped_release nogil;
            return n.forward_backward(batch, step, first_image, total);
          },
          "batch"_a, py::kw_only(), "step"_a, "first_image"_a = 0, "total"_a = 0,
          "Adds the gradients of sum(loss) / total and returns the StepResult. total: 0 is\n"
          "the number of images of the batch. Parts of a batch with the same step and total\n"
          "and their own first_image give the gradients of the whole batch: step and\n"
          "first_image select the random draws.")
      .def(
          "set_mean",
          [](Network& n, const std::optional<py::array_t<float, py::array::c_style>>& mean) {
            RawMean raw;
            if (mean) {
              require<ShapeError>(mean->ndim() == 3, "mean must be float32 (C, H, W) or (C, h, w)");
              raw.shape = {1, int(mean->shape(0)), int(mean->shape(1)), int(mean->shape(2))};
              raw.values.assign(mean->data(), mean->data() + mean->size());
            }
            n.set_mean(std::move(raw));
          },
          "mean"_a.noconvert(),
          "Sets the mean that is subtracted from records on the devices: float32 (C, h,\n"
          "w), the same for every crop, or (C, H, W), the part under the crop, or None.")
      .def("update", &Network::update, py::call_guard<py::gil_scoped_release>(),
           "Applies the accumulated gradients by the rules of set_update(), then sets them\n"
           "to zero.")
      .def("forget_state_changes", &Network::forget_state_changes,
           py::call_guard<py::gil_scoped_release>(),
           "Discards the changes to the state of layers that forward_backward() accumulated\n"
           "for the next update().")
      .def(
          "begin_step",
          [](Network& n, const BoundBatch& bound, uint64_t step, int parts,
             std::optional<bool> overlap) {
            const Batch& batch = bound.for_network(n.first());
            const py::gil_scoped_release nogil;
            n.begin_step(batch, step, parts, overlap.value_or(n.overlaps()));
          },
          "batch"_a, py::kw_only(), "step"_a, "parts"_a = 1, "overlap"_a = py::none(),
          "Begins a training step: forward, backward and update. next_result() returns its\n"
          "result; at most two steps may be waiting. step: selects the random draws.\n"
          "parts: the batch is computed in this number of parts, to save memory; the\n"
          "result is that of the whole batch.\n"
          "overlap: with False the step is complete on return, and a loss that is not\n"
          "finite changes no parameter. With True it is only enqueued: arrays in memory of\n"
          "host_memory() or of a Loader must not be written to before the result is read\n"
          "(other arrays are copied), and the update is made even if the loss is not\n"
          "finite. None: True on GPUs, False on CPUs and with several replicas.")
      .def("next_result", &Network::next_result, py::call_guard<py::gil_scoped_release>(),
           "Waits for the oldest step and returns its StepResult.")
      .def_property_readonly("waiting_steps", &Network::waiting_steps,
                             "Number of steps whose results have not been read.")
      .def_property_readonly("overlaps", &Network::overlaps,
                             "Whether steps overlap by default: true on GPUs.")
      .def(
          "predict",
          [](Network& n, const py::array& images) {
            const Batch batch = to_batch(n.first(), images);
            py::array out =
                output_array(n.first(), {batch.count, py::ssize_t(n.first().output().per_image())});
            void* data = out.mutable_data();
            const py::gil_scoped_release nogil;
            n.predict(batch, data);
            return out;
          },
          "images"_a,
          "The outputs for each image in inference mode, (N, classes): probabilities after\n"
          "a softmax.")
      .def(
          "evaluate",
          [](Network& n, const py::array& images, const py::array& labels) {
            const Batch batch = to_batch(n.first(), images, labels);
            const py::gil_scoped_release nogil;
            return n.evaluate(batch);
          },
          "images"_a, "labels"_a, "Loss and accuracies in inference mode, as a StepResult.")
      .def(
          "features",
          [](Network& n, const py::array& images, const std::string& layer) {
            const Batch batch = to_batch(n.first(), images);
            py::array out =
                output_array(n.first(), dims(n.first().feature_shape(layer, batch.count)));
            void* data = out.mutable_data();
            const py::gil_scoped_release nogil;
            n.features(batch, layer, data);
            return out;
          },
          "images"_a, "layer"_a,
          "The output of a layer in inference mode, (N, C, H, W). Raises ValueError for an\n"
          "unknown layer.");
  bind_profile(m, network);
}

}  // namespace alexnet
