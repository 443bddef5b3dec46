// Activation functions: "relu", "tanh", "logistic", "softplus", "abs", "abs_tanh".
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class F>
class Activation : public Layer {
 public:
  using T = typename F::Scalar;

  explicit Activation(const Attrs& attrs) {
    if constexpr (requires { f_.a; }) {
      f_.a = Compute<T>(attrs.get("a", 1.0));
      f_.b = Compute<T>(attrs.get("b", 1.0));
      require<ConfigError>(f_.a != 0 && f_.b != 0,
                           "a and b must not be 0: every output would be 0");
    }
  }

  std::any fusible() const override { return f_; }

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    return {.outputs = {in[0]},
            .backward_reads_input = F::reads_input,
            .backward_reads_output = F::reads_output,
            .block = context.block,
            .in_place = !F::reads_input};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, ActivationForward<F>{f_, io.in[0], io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    View<const T> x, y;
    if (F::reads_input) x = io.in[0];
    if (F::reads_output) y = io.out[0];
    run(stream, ActivationBackward<F>{f_, x, y, io.d_out[0], io.d_in[0]});
  }

 private:
  F f_;
};

template <class T>
using ReluLayer = Activation<Relu<T>>;
template <class T>
using TanhLayer = Activation<Tanh<T>>;
template <class T>
using LogisticLayer = Activation<Logistic<T>>;
template <class T>
using SoftplusLayer = Activation<Softplus<T>>;
template <class T>
using AbsLayer = Activation<Abs<T>>;
template <class T>
using AbsTanhLayer = Activation<AbsTanh<T>>;

}  // namespace

ANX_LAYER(relu, ReluLayer)
ANX_LAYER(tanh, TanhLayer)
ANX_LAYER(logistic, LogisticLayer)
ANX_LAYER(softplus, SoftplusLayer)
ANX_LAYER(abs, AbsLayer)
ANX_LAYER(abs_tanh, AbsTanhLayer)

}  // namespace alexnet
