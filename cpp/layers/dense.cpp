// The "dense" layer: y = x W^T + b, with x flattened to (images, features) and W (channels,
// features).
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Dense final : public Layer {
 public:
  explicit Dense(const Attrs& a)
      : channels_(a.required_int("channels")),
        bias_(a.get("bias", true)),
        weight_std_(a.get("weight_std", 0.01)),
        bias_value_(a.get("bias_value", 0.0)) {
    require<ConfigError>(channels_ > 0, "channels must be at least 1, got {}", channels_);
  }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    images_ = in[0].n;
    features_ = in[0].per_image();
    require<ShapeError>(features_ < (int64_t(1) << 31), "{} input features are too many",
                        features_);
    LayerPlan plan{.outputs = {{in[0].n, channels_, 1, 1}},
                   .params = {{"weight", {channels_, int(features_), 1, 1}, weight_std_, 0}},
                   .multiply_adds = images_ * channels_ * features_,
                   .engine = "gemm",
                   .backward_reads_input = true};
    if (bias_) plan.params.push_back({"bias", {channels_, 1, 1, 1}, 0, bias_value_});
    return plan;
  }

  bool absorb_relu() override { return bias_ && (relu_ = true); }

  void forward(Stream& stream, const ForwardIO& io) override {
    stream.gemm({.transpose_b = true,
                 .m = images_,
                 .n = channels_,
                 .k = features_,
                 .a = io.in[0].data,
                 .b = io.params[0].data,
                 .c = io.out[0].data,
                 .lda = features_,
                 .ldb = features_,
                 .ldc = channels_,
                 .dtype = dtype_of<T>});
    if (bias_) run(stream, AddBias<T>{relu_, io.params[1], io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    if (io.d_params[0])  // accumulates: beta = 1
      stream.gemm({.transpose_a = true,
                   .m = channels_,
                   .n = features_,
                   .k = images_,
                   .a = io.d_out[0].data,
                   .b = io.in[0].data,
                   .c = io.d_params[0].data,
                   .lda = channels_,
                   .ldb = features_,
                   .ldc = features_,
                   .beta = 1,
                   .dtype = dtype_of<T>});
    if (bias_ && io.d_params[1]) run(stream, BiasGradient<T>{io.d_out[0], io.d_params[1]});
    if (io.d_in[0])
      stream.gemm({.m = images_,
                   .n = features_,
                   .k = channels_,
                   .a = io.d_out[0].data,
                   .b = io.params[0].data,
                   .c = io.d_in[0].data,
                   .lda = channels_,
                   .ldb = features_,
                   .ldc = features_,
                   .dtype = dtype_of<T>});
  }

 private:
  int channels_;
  bool bias_, relu_ = false;
  double weight_std_, bias_value_;
  int64_t images_ = 0, features_ = 0;
};

}  // namespace

ANX_LAYER(dense, Dense)

}  // namespace alexnet
