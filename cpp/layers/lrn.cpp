// The "lrn" layer: shapes and wiring only; the mathematics is in ops/lrn.h.
#include "layers/registry.h"
#include "ops/run.h"

namespace alexnet {
namespace {

template <class T>
class Lrn final : public Layer {
 public:
  explicit Lrn(const Attrs& a) {
    const std::string mode = a.get("alpha_mode", "sum");
    require<ConfigError>(mode == "sum" || mode == "mean",
                         "alpha_mode must be 'sum' (the paper) or 'mean' (alpha / size), not '{}'",
                         mode);
    p_.size = a.get("size", 5);
    require<ConfigError>(p_.size > 0 && p_.size % 2 == 1, "size must be odd, got {}", p_.size);
    p_.k = T(a.get("k", 2.0));
    const double alpha = a.get("alpha", 1e-4);
    p_.alpha = T(mode == "mean" ? alpha / p_.size : alpha);
    p_.beta = T(a.get("beta", 0.75));
    groups_ = a.get("groups", 1);
  }

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    require<ShapeError>(groups_ > 0 && in[0].c % groups_ == 0, "{} channels in {} groups", in[0].c,
                        groups_);
    p_.group = in[0].c / groups_;
    return {.outputs = {in[0]},
            .saved = {in[0]},  // s
            .backward_reads_input = true,
            .backward_reads_output = true,
            .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, LrnForward<T>{p_, io.in[0], io.out[0], io.saved[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    run(stream, LrnBackward<T>{p_, io.in[0], io.out[0], io.saved[0], io.d_out[0], io.d_in[0]});
  }

 private:
  LrnParams<T> p_;
  int groups_ = 1;
};

}  // namespace

ANX_LAYER(lrn, Lrn)

}  // namespace alexnet
