// The "concat" layer: concatenates its inputs along the channels.
#include "layers/halves.h"
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Concat final : public Layer {
 public:
  explicit Concat(const Attrs&) {}

  bool joins_inputs() const override { return true; }

  TowerHalf half(int, Attrs, const Shape&) const override { refuse_halves("concat"); }

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    Shape out = in[0];
    out.c = 0;
    for (const Shape& s : in) {
      require<ShapeError>(s.n == out.n && s.h == out.h && s.w == out.w,
                          "cannot concatenate {} and {}: only the channels may differ",
                          to_string(in[0]), to_string(s));
      out.c += s.c;
    }
    return {.outputs = {out}, .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    int first = 0;
    for (const AnyView& x : io.in) {
      run(stream, PlaceChannels<T>{first, x, io.out[0]});
      first += x.shape.c;
    }
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    int first = 0;
    for (const AnyView& dx : io.d_in) {
      if (dx) run(stream, SliceChannels<T>{first, io.d_out[0], dx});
      first += dx.shape.c;
    }
  }
};

}  // namespace

ANX_LAYER(concat, Concat)

}  // namespace alexnet
