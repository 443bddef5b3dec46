// A program: planned layers, the buffers they use and the instructions that run them.
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
  int block = 1;  // of its channels
  size_t bytes = 0;
  int device = 0;
  int alias = -1;             // the buffer whose memory it uses, or -1
  int first = -1, last = -1;  // instructions between which it is alive
  size_t offset = 0;          // in the device's arena
};

struct ParamUse {
  std::string name;  // "conv1.weight", of the whole layer
  ParamSpec spec;    // of this part
  int part = 0, parts = 1;
  bool trainable = true;
  bool is_state = false;  // never trainable: see LayerPlan::state
};

struct Node {
  std::string name, whole, type;
  int device = 0, part = 0, parts = 1;
  std::unique_ptr<Layer> layer;
  LayerPlan plan;
  std::vector<ParamUse> params, state;
  // Buffers; -1 where there is none (the gradient of the input image, say).
  std::vector<int> in, out, saved, d_in, d_out;
  std::vector<int> d_params;  // where the program updates; else it has no buffers for them
  int workspace = -1, backward_workspace = -1;
  bool converts = false;  // the same values in another dtype or layout, put in by the builder
  int absorbed_by = -1;   // the node that does this one's work, which then has no instruction
};

struct Instruction {
  enum class Kind { forward, backward, add, update };
  Kind kind = Kind::forward;
  int node = -1;
  int stream = 0;  // index of the device whose stream runs it
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
  int forward_end = 0;      // past the last forward instruction
  std::vector<int> inputs;  // the buffer of "data" on each device, or -1
  int labels = -1;          // on the device of the last layer
  int output = -1;          // of the last layer
  int scores = -1;          // loss and credits of each image, where the last layer is a loss
  std::vector<size_t> arena_bytes;

  int find(const std::string& buffer_name) const;  // -1: none
};

}  // namespace alexnet
