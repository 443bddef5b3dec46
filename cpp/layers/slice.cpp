// The "slice" layer: channels first .. first + channels of its input.
#include "layers/halves.h"
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Slice final : public Layer {
 public:
  explicit Slice(const Attrs& a)
      : first_(a.get("first", 0)), channels_(a.required_int("channels")) {
    require<ConfigError>(first_ >= 0 && channels_ >= 1,
                         "first must be at least 0 and channels at least 1, got {} and {}", first_,
                         channels_);
  }

  TowerHalf half(int, Attrs, const Shape&) const override { refuse_halves("slice"); }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    Shape out = in[0];
    require<ShapeError>(first_ + channels_ <= out.c,
                        "channels {} to {} exceed the input, which has {} channels", first_,
                        first_ + channels_, out.c);
    out.c = channels_;
    return {.outputs = {out}};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, SliceChannels<T>{first_, io.in[0], io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    stream.fill_zero(io.d_in[0]);
    run(stream, PlaceChannels<T>{first_, io.d_out[0], io.d_in[0]});
  }

 private:
  int first_, channels_;
};

}  // namespace

ANX_LAYER(slice, Slice)

}  // namespace alexnet
