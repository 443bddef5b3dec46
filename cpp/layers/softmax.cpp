// The "softmax" layer, the last layer of a network: probabilities and, with labels, cross-entropy.
//
// saved[0] is (n, 3, 1, 1): loss in nats, top-1 and top-5 accuracy of each image, written only if
// the step has labels. The formulas are in ops/softmax.h.
#include "layers/halves.h"
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Softmax final : public Layer {
 public:
  explicit Softmax(const Attrs&) {}

  TowerHalf half(int, Attrs, const Shape&) const override { refuse_halves("softmax"); }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    const Shape& x = in[0];
    require<ShapeError>(
        x.h == 1 && x.w == 1,
        "it needs an input of one value per class, got {}: add a dense layer before it",
        to_string(x));
    return {.outputs = {x},
            .saved = {{x.n, 3, 1, 1}},
            .backward_reads_output = true,
            .compute_outputs = true,
            .is_loss = true};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, SoftmaxForward<T>{io.in[0], io.step.labels, io.out[0], io.saved[0]});
  }

  // d_out is not read: backward starts at the loss.
  void backward(Stream& stream, const BackwardIO& io) override {
    require<ConfigError>(bool(io.step.labels), "softmax: the backward pass needs labels");
    run(stream,
        SoftmaxBackward<T>{Compute<T>(io.step.loss_scale), io.out[0], io.step.labels, io.d_in[0]});
  }
};

}  // namespace

ANX_LAYER(softmax, Softmax)

}  // namespace alexnet
