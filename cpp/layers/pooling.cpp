// The "max_pool" and "avg_pool" layers: shapes and op calls only; the formulas are in
// ops/max_pool.h and ops/avg_pool.h.
#include "layers/registry.h"
#include "layers/windows.h"
#include "ops/run.h"

namespace alexnet {
namespace {

class Pool : public Layer {
 public:
  explicit Pool(const Attrs& a)
      : window_(read_window(a, "size", a.required_int("stride"))), ceil_(a.get("ceil", false)) {}

  int input_block(int given, const Shape&, const PlanContext&) const override { return given; }

 protected:
  Shape output(const Shape& in) const {
    return {in.n, in.c, clipped_output_size(window_, in.h, ceil_),
            clipped_output_size(window_, in.w, ceil_)};
  }

  Window window_;
  bool ceil_;
};

// Max pooling, optionally fused with the ReLU or the normalisation before it.
template <class T>
class MaxPool final : public Pool {
 public:
  using Pool::Pool;

  bool absorb_input(const std::any& op) override {
    with_relu_ = std::any_cast<Relu<T>>(&op) != nullptr;
    const auto* lrn = std::any_cast<LrnParams<T>>(&op);
    if (lrn) lrn_ = *lrn, with_lrn_ = true;
    return with_relu_ || with_lrn_;
  }

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    const Shape out = output(in[0]);
    return {.outputs = {out},
            .saved = {out},  // argmax
            .backward_reads_input = with_lrn_,
            .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    if (with_lrn_) {
      run(stream, LrnMaxPoolForward<T>{lrn_, window_, io.in[0], io.out[0], io.saved[0]});
    } else {
      run(stream, MaxPoolForward<T>{window_, with_relu_, io.in[0], io.out[0], io.saved[0]});
    }
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    if (with_lrn_) {
      run(stream,
          LrnMaxPoolBackward<T>{lrn_, window_, io.in[0], io.saved[0], io.d_out[0], io.d_in[0]});
    } else {
      run(stream, MaxPoolBackward<T>{window_, io.saved[0], io.d_out[0], io.d_in[0]});
    }
  }

 private:
  LrnParams<T> lrn_;
  bool with_lrn_ = false, with_relu_ = false;
};

template <class T>
class AvgPool final : public Pool {
 public:
  using Pool::Pool;

  LayerPlan plan(const PlanContext& context, const std::vector<Shape>& in) override {
    return {.outputs = {output(in[0])}, .block = context.block};
  }

  void forward(Stream& stream, const ForwardIO& io) override {
    run(stream, AvgPoolForward<T>{window_, io.in[0], io.out[0]});
  }

  void backward(Stream& stream, const BackwardIO& io) override {
    run(stream, AvgPoolBackward<T>{window_, io.d_out[0], io.d_in[0]});
  }
};

}  // namespace

ANX_LAYER(max_pool, MaxPool)
ANX_LAYER(avg_pool, AvgPool)

}  // namespace alexnet
