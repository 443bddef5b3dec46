// The "dropout" layer, in the paper's and the inverted form; the formulas are in ops/dropout.h.
//
//              training             inference
//   "2012"     x * mask             x * (1 - rate)
//   "inverted" x * mask / (1-rate)  x
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class DropoutLayer final : public Layer {
 public:
  DropoutLayer(const Attrs& a, const std::string& name) {
    const std::string mode = a.get("mode", "2012");
    require<ConfigError>(mode == "2012" || mode == "inverted",
                         "mode must be '2012' (the paper) or 'inverted', not '{}'", mode);
    inverted_ = mode == "inverted";
    rate_ = a.get("rate", 0.5);
    require<ConfigError>(rate_ >= 0 && rate_ < 1, "rate must be at least 0 and less than 1, got {}",
                         rate_);
    site_name_ = a.get("site", name.c_str());
    site_ = site_of(site_name_);
    first_channel_ = a.get("first_channel", 0);
    total_channels_ = a.get("total_channels", 0);
  }

  // Each half draws its part of the mask of the whole layer.
  TowerHalf half(int tower, Attrs attrs, const Shape& whole) const override {
    attrs.set("site", site_name_);
    attrs.set("first_channel", int64_t(tower * (whole.c / 2)));
    attrs.set("total_channels", int64_t(whole.c));
    return {std::move(attrs)};
  }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    const int channels = in[0].c;
    if (total_channels_ == 0) total_channels_ = first_channel_ + channels;
    require<ShapeError>(first_channel_ >= 0 && channels <= total_channels_ - first_channel_,
                        "channels {} to {} do not fit into a layer with {} channels",
                        first_channel_, first_channel_ + channels, total_channels_);
    return {.outputs = {in[0]}, .in_place = true};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    apply(stream, io.step, io.in[0], io.out[0]);
  }

  // The map is linear and equal to its transpose.
  void backward(Stream& stream, const BackwardIO& io) override {
    apply(stream, io.step, io.d_out[0], io.d_in[0]);
  }

 private:
  void apply(Stream& stream, const StepContext& step, const AnyView& x, const AnyView& y) const {
    if (step.training) {
      run(stream, Dropout<T>{.site = {step.seed, site_},
                             .step = step.step,
                             .rate = float(rate_),
                             .scale = Compute<T>(inverted_ ? 1 / (1 - rate_) : 1),
                             .first_image = step.first_image,
                             .first_channel = first_channel_,
                             .total_channels = total_channels_,
                             .x = x,
                             .y = y});
    } else {
      run(stream, Scale<T>{Compute<T>(inverted_ ? 1 : 1 - rate_), x, y});
    }
  }

  double rate_ = 0.5;
  bool inverted_ = false;
  std::string site_name_;
  uint32_t site_ = 0;
  int first_channel_ = 0, total_channels_ = 0;
};

}  // namespace

ANX_LAYER(dropout, DropoutLayer)

}  // namespace alexnet
