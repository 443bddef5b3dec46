// The "conv" layer. It is computed by an engine of the back end (core/conv.h).
#include "layers/halves.h"
#include "layers/registry.h"
#include "layers/windows.h"
#include "ops/activation.h"

namespace alexnet {
namespace {

template <class T>
class Conv final : public Layer {
 public:
  explicit Conv(const Attrs& a)
      : channels_(a.required_int("channels")),
        kernel_h_(a.get("kernel_h", a.get("kernel", 0))),
        kernel_w_(a.get("kernel_w", a.get("kernel", 0))),
        stride_(a.get("stride", 1)),
        pad_(a.get("pad", 0)),
        groups_(a.get("groups", 1)),
        ceil_(a.get("ceil", false)),
        bias_(a.get("bias", true)),
        engine_name_(a.get("engine", "auto")),
        weight_std_(a.get("weight_std", 0.01)),
        bias_value_(a.get("bias_value", 0.0)) {
    require<ConfigError>(channels_ > 0, "channels must be at least 1, got {}", channels_);
    require<ConfigError>(a.has("kernel") || (a.has("kernel_h") && a.has("kernel_w")),
                         "'kernel' is missing");
    require<ConfigError>(kernel_h_ > 0 && kernel_w_ > 0, "kernel must be at least 1");
    require<ConfigError>(stride_ > 0, "stride must be at least 1, got {}", stride_);
    require<ConfigError>(pad_ >= 0, "pad must not be negative, got {}", pad_);
    require<ConfigError>(groups_ > 0 && channels_ % groups_ == 0,
                         "{} channels cannot be divided into {} groups", channels_, groups_);
  }

  TowerHalf half(int, Attrs attrs, const Shape&) const override {
    return half_of_channels(std::move(attrs), channels_, groups_);
  }

  int input_block(int, const Shape& in, const PlanContext& context) const override {
    return context.device.conv_input_block(engine_name_, problem_of(in, context));
  }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    device_ = &context.device;
    problem_ = problem_of(in[0], context);
    engine_ = device_->make_conv(engine_name_, problem_, {});
    LayerPlan plan{.outputs = {problem_.y},
                   .params = {{"weight", problem_.weight(), weight_std_, 0}},
                   .multiply_adds = problem_.multiply_adds(),
                   .padding_multiply_adds = problem_.padding_multiply_adds(),
                   .backward_reads_input = true,
                   .block = engine_->output_block()};
    if (bias_) plan.params.push_back(ParamSpec::bias({channels_, 1, 1, 1}, bias_value_));
    return plan;
  }

  bool absorb_output(const std::any& op) override {
    return relu_ = std::any_cast<Relu<T>>(&op) != nullptr;
  }

  void prepare(const WantedGradients& wanted, LayerPlan& plan) override {
    const bool fused = relu_ && bias_;
    engine_ = device_->make_conv(engine_name_, problem_,
                                 {.forward = !fused,
                                  .forward_bias_relu = fused,
                                  .backward_data = wanted.d_in.at(0),
                                  .backward_weights = wanted.d_params.at(0)});
    require<InternalError>(engine_->output_block() == plan.block, "an engine changed its layout");
    plan.workspace_bytes = engine_->workspace_bytes();
    plan.engine = engine_->name();
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    engine_->weights_version(io.step.weights_version);
    engine_->forward(stream, io.in[0], io.params[0], bias_ ? io.params[1] : AnyView{}, io.out[0],
                     relu_, io.workspace);
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    const AnyView db = bias_ ? io.d_params[1] : AnyView{};
    if (io.d_params[0] || db)
      engine_->backward_weights(stream, io.in[0], io.d_out[0], io.d_params[0], db, io.workspace);
    if (io.d_in[0])
      engine_->backward_data(stream, io.params[0], io.d_out[0], io.d_in[0], io.workspace);
  }

 private:
  ConvProblem problem_of(const Shape& x, const PlanContext& context) const {
    require<ShapeError>(x.c % groups_ == 0, "{} input channels cannot be divided into {} groups",
                        x.c, groups_);
    // With `ceil` the last window reads zeros beyond the edge (2012 source: 224 pixels give 55).
    const Shape y{x.n, channels_, output_size({kernel_h_, stride_, pad_}, x.h, ceil_),
                  output_size({kernel_w_, stride_, pad_}, x.w, ceil_)};
    return {x,    y,    kernel_h_, kernel_w_,     stride_,       stride_,
            pad_, pad_, groups_,   context.dtype, context.block, context.reads_image};
  }

  int channels_, kernel_h_, kernel_w_, stride_, pad_, groups_;
  bool ceil_, bias_, relu_ = false;
  std::string engine_name_;
  double weight_std_, bias_value_;
  Device* device_ = nullptr;
  ConvProblem problem_;
  std::unique_ptr<ConvEngine> engine_;
};

}  // namespace

ANX_LAYER(conv, Conv)

}  // namespace alexnet
