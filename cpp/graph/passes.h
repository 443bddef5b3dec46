// The passes that turn a description into a program, as functions without global state:
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

// Fills in default inputs. Throws ConfigError for names that are missing, duplicate or used too
// early.
Description checked(Description description);

// Splits every layer with `towers = 2` in two, "conv1/0" on device 0 and "conv1/1" on device 1. If
// a layer reads both towers, its input is the "concat" of the halves on its device. `shapes`: the
// output shapes of the original layers.
Description split_towers(const Description& description,
                         const std::map<std::string, Shape>& shapes);

// Inserts one "copy" layer for each value that is read on another device; all readers there share
// it. The network's input is not copied but uploaded to every device that reads it.
Description insert_copies(const Description& description);

// Output shapes by layer name for a batch of `images` images.
std::map<std::string, Shape> output_shapes(const Description& description, Device& device,
                                           DType dtype, int images);

struct BuildOptions {
  int images = 1;
  bool training = false;
  bool fuse = true;  // fuses ReLU and normalisation with neighbouring layers
  DType dtype = DType::f32;
  std::set<std::string> frozen;  // parameters without gradients, such as "conv1.weight"
  std::set<std::string> keep;    // values that must stay valid until the end: features
  // Updates each parameter as soon as its gradient is complete; later gradients reuse the memory.
  bool updates = false;
};

// Plans the layers for the batch. The program has forward and, for training, backward instructions
// in order, and buffers with their lifetimes.
Program build_program(const Description& description, const std::vector<Device*>& devices,
                      const BuildOptions& options);

// Assigns an offset in its device's arena to every buffer. Buffers whose lifetimes do not overlap
// may share memory.
void plan_memory(Program& program);

// Sets which instructions wait for an instruction of another stream: those that access the same
// memory, if at least one of the two writes it.
void order_streams(Program& program);

// The program as text, one line per instruction.
std::vector<std::string> print(const Program& program);

}  // namespace alexnet
