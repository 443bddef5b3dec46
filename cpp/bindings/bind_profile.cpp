// The profile of a network, and the peak rates of a device.
#include "bindings/bind.h"
#include "core/backend.h"
#include "train/network.h"

using namespace pybind11::literals;

namespace alexnet {
namespace {

py::list to_list(const std::vector<ProfiledLane>& lanes) {
  py::list out;
  for (const ProfiledLane& lane : lanes) {
    py::list tasks;
    for (const ProfiledTask& t : lane.tasks)
      tasks.append(py::dict("label"_a = t.label, "what"_a = t.what, "phase"_a = name_of(t.phase),
                            "start_ns"_a = t.start, "end_ns"_a = t.end));
    out.append(py::dict("device"_a = lane.device, "tasks"_a = tasks));
  }
  return out;
}

py::list to_list(const std::vector<Cost>& costs) {
  py::list out;
  for (const Cost& c : costs)
    out.append(py::dict("label"_a = c.label, "phase"_a = name_of(c.phase), "lane"_a = c.device,
                        "layer"_a = c.layer, "type"_a = c.type, "engine"_a = c.engine,
                        "multiply_adds"_a = c.multiply_adds,
                        "padding_multiply_adds"_a = c.padding_multiply_adds, "bytes"_a = c.bytes));
  return out;
}

py::dict measure_peak_rates(const std::string& name, int threads) {
  const DeviceId id = parse_device(name);
  const auto device = backend(id.kind).make_device(id, threads > 0 ? threads : available_threads());
  PeakRates rates;
  {
    const py::gil_scoped_release nogil;
    rates = device->measure_peak_rates();
  }
  return py::dict("fp32"_a = rates.f32_flops, "tf32"_a = rates.tf32_flops,
                  "bf16"_a = rates.bf16_flops, "bytes"_a = rates.bytes);
}

}  // namespace

void bind_profile(py::module_& m, py::class_<Network>& network) {
  network
      .def("profile", &Network::profile, "on"_a,
           "Starts or stops recording the times of all tasks.")
      .def_property_readonly("is_profiled", &Network::is_profiled,
                             "Whether tasks are being recorded.")
      .def(
          "take_profile", [](Network& n) { return to_list(n.take_profile()); },
          "Returns the tasks recorded since the last call: a dict {\"device\", \"tasks\"} for\n"
          "each device, then for each stream that sums gradients. Times are in nanoseconds.")
      .def(
          "costs",
          [](Network& n, int batch, bool training) { return to_list(n.costs(batch, training)); },
          "batch"_a, "training"_a = true,
          "Returns the multiply-adds and bytes of each task for a batch of this size, as a\n"
          "list of dicts.");
  m.def(
      "measure_peak_rates", &measure_peak_rates, "device"_a = "cpu:0", "threads"_a = 0,
      "Measures the peak rates of a device: {\"fp32\", \"tf32\", \"bf16\", \"bytes\"} per second.\n"
      "Takes about a second. Raises UnavailableError if the device is not available.");
}

}  // namespace alexnet
