// A program: planned layers, their buffers and the instructions that run them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layers/layer.h"

namespace alexnet {

struct Buffer {
  std::string name;  // "conv1", "d conv1", "norm1 saved 0", ...
  Shape shape;
  DType dtype = DType::f32;
  int block = 1;  // channel block
  size_t bytes = 0;
  int device = 0;
  int alias = -1;             // the buffer whose memory it uses, or -1
  int first = -1, last = -1;  // lifetime: its first and last instruction
  size_t offset = 0;          // in the device's arena
};

struct ParamUse {
  std::string name;  // "conv1.weight": that of the original layer
  ParamSpec spec;    // spec of this part
  int part = 0, parts = 1;
  bool trainable = true;
  bool is_state = false;  // then not trainable, see LayerPlan::state
};

struct Node {
  std::string name, whole, type;
  int device = 0, part = 0, parts = 1;
  std::unique_ptr<Layer> layer;
  LayerPlan plan;
  std::vector<ParamUse> params, state;
  // Buffers; -1 if there is none, such as the gradient of the input image.
  std::vector<int> in, out, saved, d_in, d_out;
  std::vector<int> d_params;  // only if the program updates the parameters itself
  int workspace = -1, backward_workspace = -1;
  bool converts = false;  // changes only dtype or layout; inserted by the builder
  int absorbed_by = -1;   // the node it is fused into, or -1; a fused node has no instruction
};

struct Instruction {
  enum class Kind { forward, backward, add, update };
  Kind kind = Kind::forward;
  int node = -1;
  int stream = 0;  // index of the device on whose stream it runs
  int add_from = -1, add_to = -1;
  std::vector<int> reads, writes;  // buffers
  std::vector<int> waits;          // instructions of other streams
  bool signals = false;            // another stream waits for it
};

struct Program {
  int images = 0;
  bool training = false;
  DType dtype = DType::f32;
  std::vector<Node> nodes;
  std::vector<Buffer> buffers;
  std::vector<Instruction> instructions;
  int forward_end = 0;      // one past the last forward instruction
  std::vector<int> inputs;  // the buffer of "data" on each device, or -1
  int labels = -1;          // on the device of the last layer
  int output = -1;          // the output of the last layer
  int scores = -1;          // loss and accuracies of each image if the last layer is a loss, or -1
  std::vector<size_t> arena_bytes;

  int find(const std::string& buffer_name) const;  // -1: not found
};

}  // namespace alexnet
