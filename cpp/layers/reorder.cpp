// The "reorder" layer: converts the layout of the channels. The graph inserts it where a layer
// reads another layout than its input has. Descriptions cannot use it.
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class ReorderLayer final : public Layer {
 public:
  explicit ReorderLayer(const Attrs& a) : block_(a.required_int("block")) {}

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    return {.outputs = {in[0]}, .block = block_};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, Reorder<T>{io.in[0], io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    run(stream, Reorder<T>{io.d_out[0], io.d_in[0]});
  }

 private:
  int block_;
};

}  // namespace

ANX_LAYER(reorder, ReorderLayer)

}  // namespace alexnet
