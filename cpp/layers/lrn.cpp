// The "lrn" layer: shapes and op calls only; the formulas are in ops/lrn.h.
#include "ops/lrn.h"

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
    p_.k = Compute<T>(a.get("k", 2.0));
    const double alpha = a.get("alpha", 1e-4);
    p_.alpha = Compute<T>(mode == "mean" ? alpha / p_.size : alpha);
    p_.beta = Compute<T>(a.get("beta", 0.75));
    groups_ = a.get("groups", 1);
  }

  TowerHalf half(int, Attrs attrs, const Shape&) const override {
    require<ConfigError>(groups_ % 2 == 0,
                         "it normalises across both towers, so the network can run on one device "
                         "only; set groups = 2 to normalise each tower separately");
    attrs.set("groups", int64_t(groups_ / 2));
    return {std::move(attrs)};
  }

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    require<ShapeError>(groups_ > 0 && in[0].c % groups_ == 0,
                        "{} channels cannot be divided into {} groups", in[0].c, groups_);
    p_.group = in[0].c / groups_;
    // In channel blocks the backward pass recomputes s from x, which takes less time than loading s
    // and y.
    keeps_s_ = context.block == 1 || p_.group % context.block != 0;
    std::vector<Shape> saved;
    if (keeps_s_) saved = {in[0]};
    return {.outputs = {in[0]},
            .saved = saved,
            .backward_reads_input = true,
            .backward_reads_output = keeps_s_,
            .block = context.block};
  }

  std::any fusible() const override { return keeps_s_ ? std::any() : p_; }

  void forward(Stream& stream, const ForwardIO& io) override {
    View<Compute<T>> s;
    if (keeps_s_) s = io.saved[0];
    run(stream, LrnForward<T>{p_, io.in[0], io.out[0], s});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    View<const T> y;
    View<const Compute<T>> s;
    if (keeps_s_) y = io.out[0], s = io.saved[0];
    run(stream, LrnBackward<T>{p_, io.in[0], y, s, io.d_out[0], io.d_in[0]});
  }

 private:
  LrnParams<T> p_;
  int groups_ = 1;
  bool keeps_s_ = true;
};

}  // namespace

ANX_LAYER(lrn, Lrn)

}  // namespace alexnet
