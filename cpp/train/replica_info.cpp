// Information about a replica: layers, copies between devices, memory, profile.
#include "train/replica.h"

namespace alexnet {

Mode Replica::planned_mode(bool training, bool accumulates) const {
  if (!training) return Mode::inference;
  return updates_at_once() && !accumulates ? Mode::step : Mode::gradients;
}

PlanInfo Replica::plan(int images, bool training, bool accumulates) {
  const Mode mode = planned_mode(training, accumulates);
  const Program program = build(images, mode);
  PlanInfo info;
  const auto device_name = [&](int index) { return to_string(devices_[size_t(index)]->id()); };
  for (const Node& node : program.nodes) {
    const Buffer& out = program.buffers[size_t(node.out[0])];
    if (node.layer->crosses_devices()) {
      const int source = program.buffers[size_t(node.in[0])].device;
      const std::string value = node.name.substr(0, node.name.find("->"));
      info.edges.push_back({value, device_name(source), device_name(node.device), out.bytes,
                            node.d_in.empty() || node.d_in[0] < 0 ? 0 : out.bytes});
    }
    if (node.converts) continue;  // only changes the storage format
    LayerInfo layer{node.name, node.type, device_name(node.device), node.plan.engine, out.shape};
    for (const ParamUse& p : node.params) {
      layer.parameters += p.spec.shape.count();
      if (p.spec.name == "weight") layer.weight_std = p.spec.init_std;
    }
    layer.multiply_adds = node.plan.multiply_adds / images;
    if (out.alias < 0) layer.memory_bytes += out.bytes;
    for (const int b : node.saved) layer.memory_bytes += program.buffers[size_t(b)].bytes;
    info.parameters += layer.parameters;
    info.multiply_adds += layer.multiply_adds;
    info.layers.push_back(std::move(layer));
  }
  const int copies = mode == Mode::inference ? 1 : mode == Mode::step ? 2 : 3;
  for (size_t i = 0; i < devices_.size(); ++i) {
    info.devices.push_back(device_name(int(i)));
    info.parameter_bytes.push_back(parameters_->bytes(i, copies));
    info.activation_bytes.push_back(program.arena_bytes[i]);
  }
  return info;
}

std::vector<std::string> Replica::program(int images, bool training) {
  return print(build(images, planned_mode(training, false)));
}

// The profile: the tasks of the streams and their minimum costs.

void Replica::profile(bool on) {
  for (Stream* stream : stream_list_) stream->profile(on);
  keep_records();
  profiling_ = on;
}

std::vector<ProfiledLane> Replica::take_profile() {
  std::vector<ProfiledLane> lanes = std::exchange(lanes_, {});
  lanes.resize(stream_list_.size());
  for (size_t i = 0; i < lanes.size(); ++i) lanes[i].device = to_string(stream_list_[i]->device());
  return lanes;
}

// Copies the labels, because they belong to programs that may be released.
void Replica::keep_records() {
  if (!profiling_) return;
  lanes_.resize(stream_list_.size());
  for (size_t i = 0; i < lanes_.size(); ++i)
    for (const TaskRecord& r : stream_list_[i]->take_profile())
      lanes_[i].tasks.push_back({r.label, r.what, r.phase, r.start, r.end});
}

// Drops the records of work between steps, such as reading the parameters for a checkpoint.
void Replica::forget_records() {
  if (!profiling_) return;
  for (Stream* stream : stream_list_) stream->take_profile();
}

std::vector<Cost> Replica::costs(int images, bool training) {
  return alexnet::costs(build(images, training ? Mode::gradients : Mode::inference));
}

}  // namespace alexnet
