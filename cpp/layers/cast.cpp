// The "cast" layer: converts from the compute type to the network's dtype (core/dtype.h). The graph
// inserts it where a value of the compute type, such as the image in bf16, is read. Descriptions
// cannot use it.
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class CastLayer final : public Layer {
 public:
  explicit CastLayer(const Attrs&) {}

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    return {.outputs = {in[0]}, .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override { apply(stream, io.in[0], io.out[0]); }

  void backward(Stream& stream, const BackwardIO& io) override {
    apply(stream, io.d_out[0], io.d_in[0]);
  }

 private:
  static void apply(Stream& stream, const AnyView& x, const AnyView& y) {
    if constexpr (std::is_same_v<T, Compute<T>>) {
      stream.copy(x, y);
    } else if (y.dtype == dtype_of<T>) {
      run(stream, Cast<Compute<T>, T>{x, y});
    } else {
      run(stream, Cast<T, Compute<T>>{x, y});
    }
  }
};

}  // namespace

ANX_LAYER(cast, CastLayer)

}  // namespace alexnet
