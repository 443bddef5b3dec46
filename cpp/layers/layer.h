// What a layer is: shapes, parameters, and which ops run in which order. No loop over elements
// here.
//
// Parameter gradients accumulate (+=), activation gradients are assigned (=).
#pragma once

#include <any>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/philox.h"
#include "layers/attrs.h"

namespace alexnet {

struct ParamSpec {
  std::string name;  // "weight", "bias"
  Shape shape;       // the first dimension is the layer's output channels
  double init_std = 0, init_value = 0;
  bool compute_type = false;  // read in the compute type (core/dtype.h), not in the network's

  static ParamSpec bias(const Shape& shape, double value) {
    return {"bias", shape, 0, value, true};
  }
};

struct LayerPlan {
  std::vector<Shape> outputs;
  std::vector<ParamSpec> params;
  // What training forward passes change without a gradient: running means. Of the compute type.
  std::vector<ParamSpec> state;
  std::vector<Shape> saved;           // kept from forward to backward, of the compute type
  size_t workspace_bytes = 0;         // scratch, valid during one call
  int64_t multiply_adds = 0;          // forward, for this batch
  int64_t padding_multiply_adds = 0;  // those of them that a convolution's padding makes needless
  std::string engine;                 // what computes it, where there is a choice
  // What backward reads. Memory of the rest is reused after the forward pass.
  bool backward_reads_input = false, backward_reads_output = false;
  // How the channels of outputs (and saved values) lie; the inputs' blocks are in the context.
  int block = 1;
  // out[0] may be in[0]'s memory, and d_in[0] may be d_out[0]'s.
  bool in_place = false;
  // The outputs are of the compute type, not of the network's dtype: probabilities.
  bool compute_outputs = false;
  // saved[0] is (n, 3, 1, 1): loss, top-1 and top-5 credit of each image, written where the step
  // has labels. backward() starts from the labels and reads no d_out. The last layer may be one.
  bool is_loss = false;
};

// Half of a layer that two towers share (graph/towers.cpp), as attributes of a layer of its own.
struct TowerHalf {
  Attrs attrs;
  bool reads_whole_input = false;  // else it reads the same half of its input
};

// Which gradients a program asks a layer for, by input and by parameter; none in test mode.
struct WantedGradients {
  std::vector<bool> d_in, d_params;
};

struct PlanContext {
  Device& device;
  DType dtype;
  int block = 1;             // of the inputs' channels (core/view.h)
  bool reads_image = false;  // the input is the network's: nobody asks for its gradient
  bool training = false;
};

// What a step knows beyond its tensors.
struct StepContext {
  bool training = false;
  uint64_t seed = 0;
  uint64_t step = 0;
  int64_t first_image = 0;       // index of the batch's first image in the global batch
  double loss_scale = 1;         // 1 / images of the global batch
  View<const int32_t> labels;    // (n,), empty when there are none
  uint64_t weights_version = 0;  // of the parameters; 0: they may change at any time
};

struct ForwardIO {
  const StepContext& step;
  std::vector<AnyView> in, out, params, saved;
  // Of a training step: what it adds to state_change in proportion to its share of the batch
  // (loss_scale * images), the update adds to the state (ops/state.h). Else state_change is empty.
  std::vector<AnyView> state, state_change;
  void* workspace = nullptr;
};

struct BackwardIO {
  const StepContext& step;
  std::vector<AnyView> in, out, params, saved;  // in/out are empty unless the plan asks for them
  std::vector<AnyView> d_out;
  std::vector<AnyView> d_in;      // empty views: not wanted
  std::vector<AnyView> d_params;  // empty views: frozen
  void* workspace = nullptr;
};

class Layer {
 public:
  virtual ~Layer() = default;
  // The channel block that the layer wants its inputs in, when they come in `given` (1: planes,
  // also where several inputs differ). Planes unless a layer says otherwise.
  virtual int input_block(int given, const Shape& in, const PlanContext& context) const {
    (void)given, (void)in, (void)context;
    return 1;
  }
  // Whether it takes several inputs; else it takes one.
  virtual bool joins_inputs() const { return false; }
  // Whether its input lies on another device than its output; it then runs on the input's stream.
  virtual bool crosses_devices() const { return false; }
  // Half `tower`, 0 or 1, of this layer, which was made from `attrs` and whose output is `whole`.
  // Throws ConfigError where there are no halves. Here: each channel is computed by itself.
  virtual TowerHalf half(int tower, Attrs attrs, const Shape& whole) const {
    (void)tower, (void)whole;
    return {std::move(attrs)};
  }

  // Called once, before all that follows. Throws ShapeError with what was expected.
  virtual LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) = 0;
  // What the layer computes, as the parameters of its op (Relu<T>, LrnParams<T>), where a
  // neighbour may compute it in its own pass; empty: it runs by itself. Called after plan().
  virtual std::any fusible() const { return {}; }
  // Takes over both passes of `op`, which computes this layer's input and which no other layer
  // reads: from then on this layer is given op's input, in the layout that it had. Called before
  // plan(); false: it cannot.
  virtual bool absorb_input(const std::any& op) {
    (void)op;
    return false;
  }
  // Takes over the forward pass of `op`, which overwrites this layer's output; false: it cannot.
  virtual bool absorb_output(const std::any& op) {
    (void)op;
    return false;
  }
  // Called once, before forward and backward, when all that the layer takes over is known: makes
  // what they need and costs time, and completes the plan with its workspace and its engine. A
  // layer that is asked for its shapes alone is never prepared.
  virtual void prepare(const WantedGradients& wanted, LayerPlan& plan) { (void)wanted, (void)plan; }
  virtual void forward(Stream& stream, const ForwardIO& io) = 0;
  virtual void backward(Stream& stream, const BackwardIO& io) = 0;
};

// Builds a layer of a registered type; `name` is the layer's own name (its random site).
// Throws ConfigError for an unknown type or attribute, naming those that exist.
std::unique_ptr<Layer> make_layer(const std::string& type, const std::string& name, DType dtype,
                                  const Attrs& attrs);
std::vector<std::string> layer_types();
// Throws ConfigError for a type that a description cannot name, with those that it can.
void require_described(const std::string& type, const std::string& name);

}  // namespace alexnet
