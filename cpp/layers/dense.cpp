// The "dense" layer: y = x W^T + b, with x flattened to (images, features) and W (channels,
// features).
#include <algorithm>

#include "layers/halves.h"
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Dense final : public Layer {
  // Products have the compute type. If the network's dtype differs, they go through a workspace.
  using C = Compute<T>;
  static constexpr bool kConverts = !std::is_same_v<T, C>;

 public:
  explicit Dense(const Attrs& a)
      : channels_(a.required_int("channels")),
        bias_(a.get("bias", true)),
        weight_std_(a.get("weight_std", 0.01)),
        bias_value_(a.get("bias_value", 0.0)) {
    require<ConfigError>(channels_ > 0, "channels must be at least 1, got {}", channels_);
  }

  TowerHalf half(int, Attrs attrs, const Shape&) const override {
    return half_of_channels(std::move(attrs), channels_);
  }

  LayerPlan plan(const PlanContext&, const std::vector<Shape>& in) override {
    images_ = in[0].n;
    features_ = in[0].per_image();
    require<ShapeError>(features_ < (int64_t(1) << 31),
                        "{} input features exceed the limit of 2^31 - 1", features_);
    LayerPlan plan{.outputs = {{in[0].n, channels_, 1, 1}},
                   .params = {{"weight", {channels_, int(features_), 1, 1}, weight_std_, 0}},
                   .multiply_adds = images_ * channels_ * features_,
                   .engine = "gemm",
                   .backward_reads_input = true};
    if (bias_) plan.params.push_back(ParamSpec::bias({channels_, 1, 1, 1}, bias_value_));
    if (kConverts)
      plan.workspace_bytes = size_t(images_ * std::max<int64_t>(channels_, features_)) * sizeof(C);
    return plan;
  }

  bool absorb_output(const std::any& op) override {
    return relu_ = bias_ && std::any_cast<Relu<T>>(&op) != nullptr;
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    const AnyView product = product_view(io.out[0], io.workspace);
    stream.gemm({.transpose_b = true,
                 .m = images_,
                 .n = channels_,
                 .k = features_,
                 .a = io.in[0].data,
                 .b = io.params[0].data,
                 .c = product.data,
                 .lda = features_,
                 .ldb = features_,
                 .ldc = channels_,
                 .dtype = dtype_of<T>});
    if (bias_) {
      run(stream, AddBias<T>{relu_, product, io.params[1], io.out[0]});
    } else {
      store(stream, product, io.out[0]);
    }
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
    if (io.d_in[0]) {
      const AnyView product = product_view(io.d_in[0], io.workspace);
      stream.gemm({.m = images_,
                   .n = features_,
                   .k = channels_,
                   .a = io.d_out[0].data,
                   .b = io.params[0].data,
                   .c = product.data,
                   .lda = channels_,
                   .ldb = features_,
                   .ldc = features_,
                   .dtype = dtype_of<T>});
      store(stream, product, io.d_in[0]);
    }
  }

 private:
  // The memory to which a product for `target` is written.
  static AnyView product_view(const AnyView& target, void* workspace) {
    AnyView view = target;
    if (kConverts) view.data = workspace, view.dtype = dtype_of<C>;
    return view;
  }
  static void store(Stream& stream, const AnyView& product, const AnyView& target) {
    if constexpr (kConverts) run(stream, Cast<C, T>{product, target});
  }

  int channels_;
  bool bias_, relu_ = false;
  double weight_std_, bias_value_;
  int64_t images_ = 0, features_ = 0;
};

}  // namespace

ANX_LAYER(dense, Dense)

}  // namespace alexnet
