// The graph passes: every read of a program must find the value it expects, although buffers share
// memory in the arenas and streams only keep a partial order.
#include <algorithm>
#include <numeric>

#include "check.h"
#include "device_memory.h"
#include "graph/passes.h"
#include "small_nets.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

struct Built {
  std::vector<std::unique_ptr<Device>> devices;
  Program program;
};

Built build(const Description& raw, int device_count, int images, bool training,
            std::set<std::string> frozen = {}, std::set<std::string> keep = {}, bool fuse = true,
            bool updates = false) {
  Built built;
  std::vector<Device*> devices;
  for (int i = 0; i < device_count; ++i) {
    built.devices.push_back(cpu(i));
    devices.push_back(built.devices.back().get());
  }
  Description d = checked(raw);
  if (device_count == 2) d = split_towers(d, output_shapes(d, *devices[0], DType::f32, 1));
  d = insert_copies(d);
  built.program = build_program(d, devices,
                                {.images = images,
                                 .training = training,
                                 .fuse = fuse,
                                 .frozen = frozen,
                                 .keep = keep,
                                 .updates = updates});
  plan_memory(built.program);
  order_streams(built.program);
  return built;
}

bool overlap(const Buffer& a, const Buffer& b) {
  return a.device == b.device && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

using Findings = std::vector<std::string>;

void expect_none(const Findings& findings) {
  for (const std::string& finding : findings) report(__FILE__, __LINE__, finding);
}

// A layer without a forward instruction is fused into the layer that makes its input, which then
// writes the output of the fused layer; or into its only reader, which then reads the input of the
// fused layer.
std::map<int, int> fused_outputs(const Program& p) {
  std::set<int> run_forward;
  for (const Instruction& i : p.instructions)
    if (i.kind == Instruction::Kind::forward) run_forward.insert(i.node);
  std::map<int, int> fused;
  for (int n = 0; n < int(p.nodes.size()); ++n) {
    const Node& node = p.nodes[size_t(n)];
    if (run_forward.count(n)) continue;
    if (node.absorbed_by >= 0) {
      if (!run_forward.count(node.absorbed_by) ||
          p.nodes[size_t(node.absorbed_by)].in[0] != node.in[0])
        report(__FILE__, __LINE__, node.name + " is not run by the node that absorbed it");
      continue;
    }
    if (p.buffers[size_t(node.out[0])].alias != node.in[0])
      report(__FILE__, __LINE__, node.name + " is not run and not fused");
    fused[node.in[0]] = node.out[0];
  }
  return fused;
}

// Follows the instructions and tracks which buffer was written last at each address.
Findings lost_values(const Program& p) {
  Findings found;
  std::vector<bool> holds(p.buffers.size(), false);
  const std::map<int, int> fused = fused_outputs(p);
  const auto write = [&](int b) {
    if (const auto f = fused.find(b); f != fused.end()) b = f->second;
    for (size_t other = 0; other < p.buffers.size(); ++other)
      if (overlap(p.buffers[size_t(b)], p.buffers[other])) holds[other] = false;
    holds[size_t(b)] = true;
  };
  const auto read = [&](int b, const std::string& reader) {
    if (!holds[size_t(b)])
      found.push_back(reader + " reads '" + p.buffers[size_t(b)].name +
                      "', whose memory holds something else");
  };
  for (const int b : p.inputs)
    if (b >= 0) write(b);
  if (p.labels >= 0) write(p.labels);
  for (const Instruction& i : p.instructions) {
    const std::string reader = p.nodes[size_t(i.node)].name;
    for (const int b : i.reads) read(b, reader);
    if (i.kind == Instruction::Kind::add) read(i.add_to, reader);
    for (const int b : i.writes) write(b);
  }
  if (p.output >= 0) read(p.output, "the caller");
  if (p.scores >= 0) read(p.scores, "the caller");
  return found;
}

// Finds conflicting instructions of two streams without an event between them.
Findings missing_waits(const Program& p) {
  Findings found;
  // before[i][j]: instruction j has finished when i starts, however fast the streams run.
  const size_t count = p.instructions.size();
  std::vector<std::vector<bool>> before(count, std::vector<bool>(count, false));
  const auto inherit = [&](size_t i, size_t j) {
    before[i][j] = true;
    for (size_t k = 0; k < count; ++k)
      if (before[j][k]) before[i][k] = true;
  };
  const auto touches = [&](const std::vector<int>& a, const std::vector<int>& b) {
    return std::any_of(a.begin(), a.end(), [&](int x) {
      return std::any_of(b.begin(), b.end(), [&](int y) {
        return overlap(p.buffers[size_t(x)], p.buffers[size_t(y)]);
      });
    });
  };
  for (size_t i = 0; i < count; ++i) {
    const Instruction& later = p.instructions[i];
    for (size_t j = i; j-- > 0;)
      if (p.instructions[j].stream == later.stream) {
        inherit(i, j);
        break;
      }
    for (const int w : later.waits) {
      ANX_CHECK(p.instructions[size_t(w)].signals);
      inherit(i, size_t(w));
    }
    for (size_t j = 0; j < i; ++j) {
      const Instruction& earlier = p.instructions[j];
      const bool conflict = touches(earlier.writes, later.reads) ||
                            touches(earlier.writes, later.writes) ||
                            touches(earlier.reads, later.writes);
      if (conflict && !before[i][j])
        found.push_back(p.nodes[size_t(later.node)].name + " does not wait for " +
                        p.nodes[size_t(earlier.node)].name);
    }
  }
  return found;
}

void check_arenas(const Program& p) {
  std::vector<size_t> sum(p.arena_bytes.size(), 0);
  for (const Buffer& b : p.buffers) {
    ANX_CHECK(b.offset % 64 == 0);
    ANX_CHECK(b.offset + b.bytes <= p.arena_bytes[size_t(b.device)]);
    if (b.alias < 0) sum[size_t(b.device)] += b.bytes;
  }
  // Memory is reused, which is the purpose of the pass.
  if (p.instructions.size() > 8)
    for (size_t i = 0; i < sum.size(); ++i) ANX_CHECK(p.arena_bytes[i] < sum[i]);
}

}  // namespace

ANX_TEST(no_program_loses_a_value_or_runs_out_of_order) {
  for (const int devices : {1, 2}) {
    for (const bool training : {false, true}) {
      for (const std::set<std::string>& frozen :
           {std::set<std::string>{},
            std::set<std::string>{"conv1.weight", "conv1.bias", "fc6.bias"}}) {
        for (const int width : {1, 8}) {
          for (const bool fuse : {false, true}) {
            for (const bool updates : {false, true}) {
              if (updates && !training) continue;
              const Built built =
                  build(two_towers(width), devices, 3, training, frozen, {}, fuse, updates);
              expect_none(lost_values(built.program));
              expect_none(missing_waits(built.program));
              check_arenas(built.program);
            }
          }
        }
      }
    }
  }
}

ANX_TEST(values_with_several_readers_survive_until_the_last) {
  for (const bool training : {false, true}) {
    const Built built = build(branches(), 1, 2, training);
    expect_none(lost_values(built.program));
    expect_none(missing_waits(built.program));
  }
}

ANX_TEST(values_that_are_kept_survive_to_the_end) {
  Built built = build(two_towers(), 2, 2, false, {}, {"conv1/0", "conv1/1", "pool3/1"});
  Program& p = built.program;
  for (const char* name : {"conv1/0", "conv1/1", "pool3/1"}) {
    const int kept = p.find(name);
    ANX_CHECK(kept >= 0);
    p.output = kept;  // read by the caller after the last instruction
    expect_none(lost_values(p));
  }
}

// Shows that the checks above can fail.
ANX_TEST(a_planted_overlap_and_a_missing_wait_are_detected) {
  Built built = build(two_towers(), 2, 3, true);
  for (Instruction& i : built.program.instructions) i.waits.clear();
  ANX_CHECK(!missing_waits(built.program).empty());
  for (Buffer& b : built.program.buffers) b.offset = 0;
  ANX_CHECK(!lost_values(built.program).empty());
}

ANX_TEST(the_input_is_uploaded_and_values_that_cross_devices_are_copied_once) {
  const Built built = build(two_towers(), 2, 1, true);
  std::vector<std::string> copies;
  for (const Node& node : built.program.nodes)
    if (node.type == "copy") copies.push_back(node.name);
  std::sort(copies.begin(), copies.end());
  const std::vector<std::string> want = {"drop6/0->1", "drop6/1->0", "pool3/0->1", "pool3/1->0",
                                         "relu2/0->1", "relu2/1->0", "relu7/1->0"};
  ANX_CHECK(copies == want);
  ANX_CHECK(built.program.inputs[0] >= 0 && built.program.inputs[1] >= 0);
}

ANX_TEST(a_device_sends_what_the_other_waits_for_before_it_continues) {
  const Built built = build(two_towers(), 2, 1, true);
  const Program& p = built.program;
  const auto of_kind = [&](const Instruction& i, Instruction::Kind kind) {
    return i.kind == kind && p.nodes[size_t(i.node)].type == "copy";
  };
  int copies = 0;
  for (size_t i = 0; i < p.instructions.size(); ++i) {
    const Instruction& copy = p.instructions[i];
    if (!of_kind(copy, Instruction::Kind::forward)) continue;
    ++copies;
    // The previous work on its stream: another copy, or the instruction that made the value.
    size_t before = i;
    do --before;
    while (p.instructions[before].stream != copy.stream ||
           of_kind(p.instructions[before], Instruction::Kind::forward));
    const int value = p.nodes[size_t(copy.node)].in[0];
    const std::vector<int>& made = p.instructions[before].writes;
    const bool at_once = std::any_of(made.begin(), made.end(), [&](int b) {
      return overlap(p.buffers[size_t(b)], p.buffers[size_t(value)]);
    });
    if (!at_once) report(__FILE__, __LINE__, p.nodes[size_t(copy.node)].name);
  }
  ANX_CHECK(copies == 7);
}

ANX_TEST(a_missing_copy_is_rejected_before_anything_runs) {
  const auto a = cpu(0), b = cpu(1);
  Description d = checked(two_towers());
  d = split_towers(d, output_shapes(d, *a, DType::f32, 1));
  ANX_CHECK_THROWS(DeviceError, "is on cpu:0 but its input 'relu2/1' is on cpu:1; insert a copy",
                   build_program(d, {a.get(), b.get()}, {.images = 1}));
}

ANX_TEST(no_gradient_is_computed_before_the_first_trainable_layer) {
  const Built built =
      build(two_towers(), 1, 1, true, {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"});
  for (const Instruction& i : built.program.instructions) {
    if (i.kind != Instruction::Kind::backward) continue;
    const std::string& name = built.program.nodes[size_t(i.node)].name;
    ANX_CHECK(name != "conv1" && name != "conv2" && name != "relu2" && name != "pool1");
  }
}
