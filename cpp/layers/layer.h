// The interface of a layer: shapes, parameters, and which ops run in which order. Loops over
// elements are in ops/.
//
// Gradients of parameters accumulate (+=), gradients of activations are assigned (=).
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
  bool compute_type = false;  // stored in the compute type (core/dtype.h), not in the network's

  static ParamSpec bias(const Shape& shape, double value) {
    return {"bias", shape, 0, value, true};
  }
};

struct LayerPlan {
  std::vector<Shape> outputs;
  std::vector<ParamSpec> params;
  // Values of the compute type that training changes without a gradient, such as running means.
  std::vector<ParamSpec> state;
  std::vector<Shape> saved;           // kept from forward to backward; compute type
  size_t workspace_bytes = 0;         // scratch, valid during one call
  int64_t multiply_adds = 0;          // forward, for this batch
  int64_t padding_multiply_adds = 0;  // of these, products with a convolution's padding
  std::string engine;                 // the engine that computes it, if there is a choice
  // What backward reads. The memory of other values is reused after the forward pass.
  bool backward_reads_input = false, backward_reads_output = false;
  // The channel block of the outputs and saved values; that of the inputs is in the context.
  int block = 1;
  // out[0] may share memory with in[0], and d_in[0] with d_out[0].
  bool in_place = false;
  // The outputs (probabilities) have the compute type, not the network's dtype.
  bool compute_outputs = false;
  // saved[0] is (n, 3, 1, 1): loss, top-1 and top-5 accuracy of each image, written if the step
  // has labels. backward() starts from the labels and does not read d_out. Only the last layer
  // trains as a loss.
  bool is_loss = false;
};

// Half of a layer that is split into two towers (graph/towers.cpp), as attributes of a layer.
struct TowerHalf {
  Attrs attrs;
  bool reads_whole_input = false;  // false: it reads the same half of its input
};

// Which gradients a layer must compute, by input and by parameter; none in inference mode.
struct WantedGradients {
  std::vector<bool> d_in, d_params;
};

struct PlanContext {
  Device& device;
  DType dtype;
  int block = 1;             // channel block of the inputs (core/view.h)
  bool reads_image = false;  // the input is the network's: its gradient is not computed
  bool training = false;
};

// The values of a step other than its tensors.
struct StepContext {
  bool training = false;
  uint64_t seed = 0;
  uint64_t step = 0;
  int64_t first_image = 0;       // index of the batch's first image in the global batch
  double loss_scale = 1;         // 1 / number of images of the global batch
  View<const int32_t> labels;    // (n,), or empty
  uint64_t weights_version = 0;  // 0: the weights may change at any time
};

struct ForwardIO {
  const StepContext& step;
  std::vector<AnyView> in, out, params, saved;
  // In training, a layer adds to state_change in proportion to its share of the batch (loss_scale *
  // images), and the update adds that to the state (ops/state.h). Else state_change is empty.
  std::vector<AnyView> state, state_change;
  void* workspace = nullptr;
};

struct BackwardIO {
  const StepContext& step;
  std::vector<AnyView> in, out, params, saved;  // in/out: empty unless backward reads them
  std::vector<AnyView> d_out;
  std::vector<AnyView> d_in;      // empty views: not computed
  std::vector<AnyView> d_params;  // empty views: frozen
  void* workspace = nullptr;
};

class Layer {
 public:
  virtual ~Layer() = default;
  // The channel block in which the layer reads its inputs, if they are available in `given` (1:
  // planes, also if several inputs differ). Default: planes.
  virtual int input_block(int given, const Shape& in, const PlanContext& context) const {
    (void)given, (void)in, (void)context;
    return 1;
  }
  // Whether the layer accepts several inputs. Default: exactly one.
  virtual bool joins_inputs() const { return false; }
  // Whether its input is on another device than its output; it then runs on the input's stream.
  virtual bool crosses_devices() const { return false; }
  // Half `tower`, 0 or 1, of this layer, which was made from `attrs` and whose output has the shape
  // `whole`. Throws ConfigError if the layer cannot be split. Default: for layers that compute each
  // channel independently.
  virtual TowerHalf half(int tower, Attrs attrs, const Shape& whole) const {
    (void)tower, (void)whole;
    return {std::move(attrs)};
  }

  // Called once, before the functions below. Throws ShapeError that says what was expected.
  virtual LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) = 0;
  // The parameters of the layer's op (Relu<T>, LrnParams<T>) if the op can be fused with a
  // neighbouring layer; else empty. Called after plan().
  virtual std::any fusible() const { return {}; }
  // Fuses both passes of `op`, which computes this layer's input, into this layer. No other layer
  // reads that input. This layer then reads the input of `op`, in its layout. Called before plan().
  // Returns false if it is not supported.
  virtual bool absorb_input(const std::any& op) {
    (void)op;
    return false;
  }
  // Fuses the forward pass of `op`, which overwrites this layer's output, into this layer. Returns
  // false if it is not supported.
  virtual bool absorb_output(const std::any& op) {
    (void)op;
    return false;
  }
  // Called once, after fusion and before forward and backward. Does the slow part of the set-up,
  // such as the choice of an engine, and adds workspace and engine to the plan. Not called for
  // layers that are planned only for their shapes.
  virtual void prepare(const WantedGradients& wanted, LayerPlan& plan) { (void)wanted, (void)plan; }
  virtual void forward(Stream& stream, const ForwardIO& io) = 0;
  virtual void backward(Stream& stream, const BackwardIO& io) = 0;
};

// Makes a layer of a registered type; `name` selects its random numbers (see RandomSite). Throws
// ConfigError for an unknown type or attribute; the message lists the known ones.
std::unique_ptr<Layer> make_layer(const std::string& type, const std::string& name, DType dtype,
                                  const Attrs& attrs);
std::vector<std::string> layer_types();
// Throws ConfigError if a description cannot use this type; the message lists the usable types.
void require_described(const std::string& type, const std::string& name);

}  // namespace alexnet
