// The "local" layer, convolution with unshared weights; the formulas are in ops/local.h.
#include "layers/halves.h"
#include "layers/registry.h"
#include "layers/windows.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Local final : public Layer {
 public:
  explicit Local(const Attrs& a)
      : channels_(a.required_int("channels")),
        window_(read_window(a, "kernel", a.get("stride", 1))),
        bias_(a.get("bias", true)),
        weight_std_(a.get("weight_std", 0.01)),
        bias_value_(a.get("bias_value", 0.0)) {
    require<ConfigError>(channels_ >= 1, "channels must be at least 1, got {}", channels_);
  }

  TowerHalf half(int, Attrs attrs, const Shape&) const override {
    return half_of_channels(std::move(attrs), channels_);
  }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    const Shape& x = in[0];
    const Shape y{x.n, channels_, clipped_output_size(window_, x.h, false),
                  clipped_output_size(window_, x.w, false)};
    const int64_t taps = int64_t(x.c) * window_.size * window_.size;
    require<ShapeError>(
        taps < (1 << 30),
        "{} input channels with a window of {} exceed the limit of 2^30 - 1 weights per output",
        x.c, window_.size);
    LayerPlan plan{.outputs = {y},
                   .params = {{"weight", {channels_, int(taps), y.h, y.w}, weight_std_, 0}},
                   .multiply_adds = y.count() * taps,
                   .backward_reads_input = true};
    if (bias_) plan.params.push_back(ParamSpec::bias({channels_, 1, y.h, y.w}, bias_value_));
    return plan;
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    View<const Compute<T>> bias;
    if (bias_) bias = io.params[1];
    run(stream, LocalForward<T>{window_, io.in[0], io.params[0], bias, io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    if (bias_ && io.d_params[1]) run(stream, LocalBackwardBias<T>{io.d_out[0], io.d_params[1]});
    if (io.d_params[0])
      run(stream, LocalBackwardWeights<T>{window_, io.in[0], io.d_out[0], io.d_params[0]});
    if (io.d_in[0])
      run(stream, LocalBackwardData<T>{window_, io.params[0], io.d_out[0], io.d_in[0]});
  }

 private:
  int channels_;
  Window window_;
  bool bias_;
  double weight_std_, bias_value_;
};

}  // namespace

ANX_LAYER(local, Local)

}  // namespace alexnet
