// What a network will do, in numbers: layers, edges between devices, memory.
#include "train/network.h"

namespace alexnet {

Work Network::planned_work(bool training, bool accumulates) const {
  if (!training) return Work::test;
  return updates_at_once() && !accumulates ? Work::step : Work::gradients;
}

PlanInfo Network::plan(int images, bool training, bool accumulates) {
  const Work work = planned_work(training, accumulates);
  const Program program = build(images, work);
  PlanInfo info;
  const auto device_name = [&](int index) { return to_string(devices_[size_t(index)]->id()); };
  for (const Node& node : program.nodes) {
    const Buffer& out = program.buffers[size_t(node.out[0])];
    if (node.type == "copy") {
      const int source = program.buffers[size_t(node.in[0])].device;
      const std::string value = node.name.substr(0, node.name.find("->"));
      info.edges.push_back({value, device_name(source), device_name(node.device), out.bytes,
                            node.d_in.empty() || node.d_in[0] < 0 ? 0 : out.bytes});
    }
    if (node.type == "reorder" || node.type == "cast") continue;  // a matter of storage
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
  const int copies = work == Work::test ? 1 : work == Work::step ? 2 : 3;
  for (size_t i = 0; i < devices_.size(); ++i) {
    info.devices.push_back(device_name(int(i)));
    info.parameter_bytes.push_back(parameters_->bytes(i, copies));
    info.activation_bytes.push_back(program.arena_bytes[i]);
  }
  return info;
}

std::vector<std::string> Network::program(int images, bool training) {
  return print(build(images, planned_work(training, false)));
}

}  // namespace alexnet
