// The "batch_norm" layer: shapes and op calls only; the formulas are in ops/batch_norm.h.
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class BatchNorm final : public Layer {
  using C = Compute<T>;

 public:
  explicit BatchNorm(const Attrs& a) : eps_(a.get("eps", 1e-5)), momentum_(a.get("momentum", 0.1)) {
    require<ConfigError>(eps_ > 0, "eps must be above 0, got {}", eps_);
    require<ConfigError>(momentum_ >= 0 && momentum_ <= 1, "momentum must be 0 to 1, got {}",
                         momentum_);
  }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    const Shape& x = in[0];
    require<ShapeError>(!context.training || int64_t(x.n) * x.plane() > 1,
                        "training needs more than one value per channel to normalise a batch: use "
                        "more images");
    const Shape channels{x.c, 1, 1, 1};
    return {.outputs = {x},
            .params = {{"weight", channels, 0, 1, true}, ParamSpec::bias(channels, 0)},
            .state = {{"running_mean", channels, 0, 0}, {"running_var", channels, 0, 1}},
            .saved = {{x.c, 2, 1, 1}},  // mean and 1 / standard deviation
            .backward_reads_input = true};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    const View<const C> mean = io.state[0], var = io.state[1];
    if (!io.step.training) {
      run(stream, BatchNormInference<T>{C(eps_), io.in[0], io.params[0], io.params[1], mean, var,
                                        io.out[0]});
      return;
    }
    const double share = io.step.loss_scale * io.in[0].shape.n;  // of the global batch
    run(stream, BatchNormForward<T>{C(eps_), C(momentum_ * share), io.in[0], io.params[0],
                                    io.params[1], mean, var, io.state_change[0], io.state_change[1],
                                    io.out[0], io.saved[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    run(stream, BatchNormBackward<T>{io.in[0], io.d_out[0], io.params[0], io.saved[0],
                                     io.d_params[0], io.d_params[1], io.d_in[0]});
  }

 private:
  double eps_, momentum_;
};

}  // namespace

ANX_LAYER(batch_norm, BatchNorm)

}  // namespace alexnet
