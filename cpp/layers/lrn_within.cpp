// The "lrn_within" layer: shapes and op calls only; the formulas are in ops/lrn_within.h.
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class LrnWithin final : public Layer {
 public:
  explicit LrnWithin(const Attrs& a) {
    const std::string mode = a.get("alpha_mode", "sum");
    require<ConfigError>(
        mode == "sum" || mode == "mean",
        "alpha_mode must be 'sum' or 'mean' (alpha / size^2, the 2012 source), not '{}'", mode);
    p_.size = a.get("size", p_.size);
    require<ConfigError>(p_.size > 0 && p_.size % 2 == 1, "size must be odd, got {}", p_.size);
    p_.k = Compute<T>(a.get("k", 1.0));
    const double alpha = a.get("alpha", 1e-4);
    p_.alpha = Compute<T>(mode == "mean" ? alpha / (double(p_.size) * p_.size) : alpha);
    p_.beta = Compute<T>(a.get("beta", 0.75));
  }

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    return {.outputs = {in[0]},
            .saved = {in[0]},  // s
            .backward_reads_input = true,
            .backward_reads_output = true,
            .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, LrnWithinForward<T>{p_, io.in[0], io.out[0], io.saved[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    run(stream,
        LrnWithinBackward<T>{p_, io.in[0], io.out[0], io.saved[0], io.d_out[0], io.d_in[0]});
  }

 private:
  LrnWithinParams<T> p_;
};

}  // namespace

ANX_LAYER(lrn_within, LrnWithin)

}  // namespace alexnet
