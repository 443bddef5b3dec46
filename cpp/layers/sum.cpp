// The "sum" layer: y = x1 + x2 + ..., element-wise and in this order.
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Sum final : public Layer {
 public:
  explicit Sum(const Attrs&) {}

  bool joins_inputs() const override { return true; }

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    require<ShapeError>(!in.empty(), "it has no input");
    for (const Shape& s : in)
      require<ShapeError>(s == in[0], "its inputs must have the same shape, got {} and {}",
                          to_string(in[0]), to_string(s));
    return {.outputs = {in[0]}, .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    stream.copy(io.in[0], io.out[0]);
    for (size_t i = 1; i < io.in.size(); ++i) run(stream, Add<T>{io.in[i], io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    for (const AnyView& d_in : io.d_in)
      if (d_in) stream.copy(io.d_out[0], d_in);
  }
};

}  // namespace

ANX_LAYER(sum, Sum)

}  // namespace alexnet
