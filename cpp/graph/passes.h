// The way from a description to a program, as functions without side effects:
//
//   checked -> split_towers -> insert_copies -> build_program -> plan_memory -> order_streams
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/device.h"
#include "graph/description.h"
#include "graph/program.h"

namespace alexnet {

// Default inputs filled in; throws ConfigError on names that are missing, double or used too early.
Description checked(Description description);

// Every `towers = 2` layer becomes two, "conv1/0" on device 0 and "conv1/1" on device 1. Where a
// layer reads across, its input is the "concat" of the halves on its own device. `shapes` are those
// of the whole layers.
Description split_towers(const Description& description,
                         const std::map<std::string, Shape>& shapes);

// One "copy" node for each value that a layer of another device reads, shared by its readers there.
// The input of the network is uploaded to every device that reads it, and never copied.
Description insert_copies(const Description& description);

// Output shapes by layer, for a batch of `images`.
std::map<std::string, Shape> output_shapes(const Description& description, Device& device,
                                           DType dtype, int images);

struct BuildOptions {
  int images = 1;
  bool training = false;
  bool fuse = true;  // ReLU and normalisation run inside a neighbour where one takes them over
  DType dtype = DType::f32;
  std::set<std::string> frozen;  // parameters, "conv1.weight", that need no gradient
  std::set<std::string> keep;    // values that must survive to the end: features
  // Each parameter is updated as soon as its gradient is complete, whose memory is then used again.
  bool updates = false;
};

// Layers planned for the batch; forward and, for training, backward instructions in order; buffers
// with the instructions between which they live.
Program build_program(const Description& description, const std::vector<Device*>& devices,
                      const BuildOptions& options);

// Gives every buffer its place in its device's arena: buffers that are never alive together share
// memory.
void plan_memory(Program& program);

// Marks which instructions wait for which of another stream: wherever two touch the same memory and
// one of them writes.
void order_streams(Program& program);

// The program in words, one line per instruction.
std::vector<std::string> print(const Program& program);

}  // namespace alexnet
