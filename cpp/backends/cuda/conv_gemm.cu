// The "gemm" engine: im2col, then one matrix product per group. Images are processed in chunks, so
// that the unrolled matrix needs at most kColumnBytes; sums over the batch add the chunks in order.
#include "backends/cuda/bias_gradient.h"
#include "backends/cuda/conv_engines.h"
#include "backends/cuda/cuda_device.h"
#include "backends/cuda/im2col.h"
#include "backends/cuda/launch_op.h"

namespace alexnet {
namespace {

constexpr int64_t kColumnBytes = int64_t(256) << 20;

template <class T>
class ConvGemm final : public ConvEngine {
  // Results of products have the compute type, and either matrix may be a result.
  using C = Compute<T>;

 public:
  explicit ConvGemm(const ConvProblem& problem) : p_(problem) {
    const int64_t per_image = (taps() * p_.groups + p_.y.c) * pixels() * int64_t(sizeof(C));
    chunk_ = int(std::clamp<int64_t>(kColumnBytes / per_image, 1, std::max(1, p_.x.n)));
  }

  const char* name() const override { return "gemm"; }
  int output_block() const override { return 1; }
  size_t workspace_bytes() const override {
    const size_t matrices = size_t((taps() * p_.groups + p_.y.c) * chunk_ * pixels()) * sizeof(C);
    return std::max(matrices, bias_gradient_bytes(p_.y, p_.dtype));
  }

  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    CudaStream& cuda = static_cast<CudaStream&>(stream);
    each_chunk<T, C>(work, [&](int first, const Unrolling& u, T* col, C* rows) {
      run(cuda, Im2col<T>{u, image(x, first), col});
      Gemm g = product();
      g.m = out_group(), g.n = u.columns(), g.k = taps();
      g.a = w.data, g.b = col, g.c = rows;
      g.lda = taps(), g.ldb = g.ldc = u.columns();
      cuda.gemm_batch(g, p_.groups, out_group() * taps(), taps() * u.columns(),
                      out_group() * u.columns());
      run(cuda, RowsToImages<T>{u, rows, bias(b), relu, image(y, first)});
    });
  }

  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    CudaStream& cuda = static_cast<CudaStream&>(stream);
    each_chunk<C, T>(work, [&](int first, const Unrolling& u, C* col, T* rows) {
      run(cuda, ImagesToRows<T>{u, image(dy, first), rows});
      Gemm g = product();
      g.transpose_a = true;
      g.m = taps(), g.n = u.columns(), g.k = out_group();
      g.a = w.data, g.b = rows, g.c = col;
      g.lda = taps(), g.ldb = g.ldc = u.columns();
      cuda.gemm_batch(g, p_.groups, out_group() * taps(), out_group() * u.columns(),
                      taps() * u.columns());
      run(cuda, Col2im<T>{u, col, image(dx, first)});
    });
  }

  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    CudaStream& cuda = static_cast<CudaStream&>(stream);
    if (db) bias_gradient(cuda, dy, db, work);
    if (!dw) return;
    each_chunk<T, T>(work, [&](int first, const Unrolling& u, T* col, T* rows) {
      run(cuda, Im2col<T>{u, image(x, first), col});
      run(cuda, ImagesToRows<T>{u, image(dy, first), rows});
      Gemm g = product();
      g.transpose_b = true;
      g.m = out_group(), g.n = taps(), g.k = u.columns();
      g.a = rows, g.b = col, g.c = dw.data;
      g.lda = g.ldb = u.columns(), g.ldc = taps();
      g.beta = 1;
      cuda.gemm_batch(g, p_.groups, out_group() * u.columns(), taps() * u.columns(),
                      out_group() * taps());
    });
  }

 private:
  int64_t taps() const { return int64_t(p_.x.c / p_.groups) * p_.kernel_h * p_.kernel_w; }
  int64_t out_group() const { return p_.y.c / p_.groups; }
  int64_t pixels() const { return p_.y.plane(); }

  static T* typed(AnyView v) { return static_cast<View<T>>(v).data; }
  static const C* bias(AnyView v) { return static_cast<View<C>>(v).data; }
  static T* image(AnyView v, int n) { return typed(v) + n * v.shape.per_image(); }
  static Gemm product() {
    Gemm g;
    g.dtype = dtype_of<T>;
    return g;
  }

  template <class Op>
  static void run(CudaStream& stream, const Op& op) {
    launch_op(stream, op, op.grid());
  }

  // Calls f(first image, unrolling, matrix of taps, matrix of outputs) for each chunk.
  template <class Col, class Row, class F>
  void each_chunk(void* work, F&& f) const {
    for (int first = 0; first < p_.x.n; first += chunk_) {
      const Unrolling u(p_, std::min(chunk_, p_.x.n - first));
      C* col = static_cast<C*>(work);
      void* rows = col + taps() * p_.groups * u.columns();
      f(first, u, reinterpret_cast<Col*>(col), static_cast<Row*>(rows));
    }
  }

  ConvProblem p_;
  int chunk_;
};

}  // namespace

std::unique_ptr<ConvEngine> make_conv_gemm(CudaDevice&, const ConvProblem& problem,
                                           const ConvPasses&, std::string&) {
  return for_dtype(problem.dtype, [&](auto t) -> std::unique_ptr<ConvEngine> {
    return std::make_unique<ConvGemm<decltype(t)>>(problem);
  });
}

}  // namespace alexnet
