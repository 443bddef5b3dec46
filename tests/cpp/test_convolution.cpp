// Convolution engines against the definition (core/conv.h), computed in double precision.
#include "check.h"
#include "device_memory.h"
#include "ops/reorder.h"
#include "ops/run.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

// Calls f(index of x, index of w, index of y) for each product of the convolution.
template <class F>
void for_each_product(const ConvProblem& p, F&& f) {
  const int in = p.x.c / p.groups, out = p.y.c / p.groups;
  for (int n = 0; n < p.x.n; ++n)
    for (int o = 0; o < p.y.c; ++o)
      for (int c = 0; c < in; ++c)
        for (int r = 0; r < p.y.h; ++r)
          for (int q = 0; q < p.y.w; ++q)
            for (int i = 0; i < p.kernel_h; ++i)
              for (int j = 0; j < p.kernel_w; ++j) {
                const int y = r * p.stride_h + i - p.pad_h, x = q * p.stride_w + j - p.pad_w;
                if (y < 0 || y >= p.x.h || x < 0 || x >= p.x.w) continue;
                const int channel = o / out * in + c;
                f(((n * p.x.c + channel) * p.x.h + y) * p.x.w + x,
                  ((o * in + c) * p.kernel_h + i) * p.kernel_w + j,
                  ((n * p.y.c + o) * p.y.h + r) * p.y.w + q);
              }
}

// `tolerance` is relative to the largest value.
template <class T>
void check_all(const std::vector<T>& got, const std::vector<double>& want, double tolerance) {
  double largest = 0;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < want.size(); ++i) ANX_CHECK_CLOSE(got[i], want[i], tolerance * largest);
}

// A tensor with channels in blocks (core/view.h), converted from and to values in planes.
template <class T>
class Blocked {
 public:
  Blocked(Device& device, Stream& stream, const Shape& shape, int block,
          const std::vector<T>& values)
      : planes_(upload(device, stream, shape, values)), blocked_(device, shape, dtype_of<T>) {
    view_ = blocked_.view();
    view_.block = block;
    run(stream, Reorder<T>{planes_.view(), view_});
  }
  const AnyView& view() const { return view_; }
  std::vector<T> values(Stream& stream) const {
    run(stream, Reorder<T>{view_, planes_.view()});
    return download<T>(stream, planes_.view());
  }

 private:
  Tensor planes_, blocked_;
  AnyView view_;
};

struct Expected {
  std::vector<double> y, dx, dw, db;
};

template <class T>
void check_engine(ConvProblem p, const char* engine_name, int threads, double tolerance) {
  p.dtype = dtype_of<T>;
  const auto x = random_values<T>(p.x.count(), 1), w = random_values<T>(p.weight().count(), 2);
  const auto b = random_values<T>(p.y.c, 3), dy = random_values<T>(p.y.count(), 4);
  const auto dw_before = random_values<T>(p.weight().count(), 5);
  const auto db_before = random_values<T>(p.y.c, 6);

  Expected want{std::vector<double>(size_t(p.y.count())),
                std::vector<double>(x.size(), 0.0),
                {dw_before.begin(), dw_before.end()},
                {db_before.begin(), db_before.end()}};
  for (int64_t i = 0; i < p.y.count(); ++i) {
    want.y[size_t(i)] = double(b[size_t(i / p.y.plane() % p.y.c)]);
    want.db[size_t(i / p.y.plane() % p.y.c)] += double(dy[size_t(i)]);
  }
  for_each_product(p, [&](int ix, int iw, int iy) {
    want.y[size_t(iy)] += double(x[size_t(ix)]) * double(w[size_t(iw)]);
    want.dx[size_t(ix)] += double(dy[size_t(iy)]) * double(w[size_t(iw)]);
    want.dw[size_t(iw)] += double(dy[size_t(iy)]) * double(x[size_t(ix)]);
  });

  const auto device = cpu(0, threads);
  const auto stream = device->make_stream();
  const auto engine = device->make_conv(engine_name, p,
                                        {.forward = true,
                                         .forward_bias_relu = true,
                                         .backward_data = !p.reads_image,
                                         .backward_weights = true});
  ANX_CHECK_EQUAL(std::string(engine->name()), std::string(engine_name));
  const Blocked<T> tx(*device, *stream, p.x, p.block, x);
  const Blocked<T> tdy(*device, *stream, p.y, engine->output_block(), dy);
  const Tensor tw = upload(*device, *stream, p.weight(), w);
  const Tensor tb = upload(*device, *stream, {p.y.c, 1, 1, 1}, b);
  const Tensor tdw = upload(*device, *stream, p.weight(), dw_before);
  const Tensor tdb = upload(*device, *stream, {p.y.c, 1, 1, 1}, db_before);
  const std::vector<T> garbage(size_t(std::max(p.x.count(), p.y.count())), T(1e6));
  const Blocked<T> ty(*device, *stream, p.y, engine->output_block(), garbage);
  const Blocked<T> tdx(*device, *stream, p.x, p.block, garbage);

  void* workspace = device->allocate(engine->workspace_bytes());
  engine->forward(*stream, tx.view(), tw.view(), tb.view(), ty.view(), false, workspace);
  check_all(ty.values(*stream), want.y, tolerance);
  engine->backward_weights(*stream, tx.view(), tdy.view(), tdw.view(), tdb.view(), workspace);
  check_all(download<T>(*stream, tdw.view()), want.dw, tolerance);
  check_all(download<T>(*stream, tdb.view()), want.db, tolerance);
  if (!p.reads_image) {  // the gradient with respect to the image is not needed
    engine->backward_data(*stream, tw.view(), tdy.view(), tdx.view(), workspace);
    check_all(tdx.values(*stream), want.dx, tolerance);
  }

  // Without a bias the result is smaller by the bias; a fused ReLU clips it at 0.
  for (int64_t i = 0; i < p.y.count(); ++i)
    want.y[size_t(i)] -= double(b[size_t(i / p.y.plane() % p.y.c)]);
  engine->forward(*stream, tx.view(), tw.view(), AnyView{}, ty.view(), false, workspace);
  check_all(ty.values(*stream), want.y, tolerance);
  for (double& value : want.y) value = std::max(value, 0.0);
  engine->forward(*stream, tx.view(), tw.view(), AnyView{}, ty.view(), true, workspace);
  check_all(ty.values(*stream), want.y, tolerance);
  device->release(workspace);
}

const ConvProblem kProblems[] = {
    {{2, 3, 17, 15}, {2, 5, 3, 2}, 5, 5, 6, 6, 1, 1, 1},    // stride larger than the kernel
    {{3, 4, 7, 9}, {3, 6, 7, 9}, 3, 3, 1, 1, 1, 1, 2},      // padded, two groups
    {{1, 1, 1, 1}, {1, 1, 1, 1}, 1, 1, 1, 1, 0, 0, 1},      // the smallest
    {{2, 2, 3, 2}, {2, 3, 3, 2}, 5, 5, 1, 1, 2, 2, 1},      // window larger than the image
    {{1, 3, 24, 24}, {1, 4, 5, 5}, 11, 11, 4, 4, 0, 0, 1},  // ceil: last window beyond the edge
    {{2, 6, 5, 8}, {2, 9, 3, 5}, 3, 2, 2, 2, 1, 1, 3},      // a rectangular kernel, three groups
    {{5, 2, 4, 4}, {5, 7, 4, 4}, 1, 1, 1, 1, 0, 0, 1},      // 1x1
};

// Problems with channels in blocks, and first layers, which read the image in planes.
std::vector<ConvProblem> direct_problems() {
  const int lanes = cpu(0)->channel_block(DType::f32);
  const auto inner = [&](int n, int in, int out, int h, int w, int kernel, int pad, int groups) {
    return ConvProblem{{n, in * lanes, h, w},
                       {n, out * lanes, h + 2 * pad - kernel + 1, w + 2 * pad - kernel + 1},
                       kernel,
                       kernel,
                       1,
                       1,
                       pad,
                       pad,
                       groups,
                       DType::f32,
                       lanes};
  };
  const auto first = [&](Shape x, Shape y, int kernel, int stride, int pad) {
    return ConvProblem{x, y, kernel, kernel, stride, stride, pad, pad, 1, DType::f32, 1, true};
  };
  return {
      inner(1, 1, 1, 1, 1, 1, 0, 1),                          // the smallest
      inner(3, 2, 4, 7, 9, 3, 1, 2),                          // padded, two groups
      inner(2, 1, 3, 13, 5, 5, 2, 1),                         // an odd number of blocks
      inner(9, 3, 1, 4, 29, 2, 1, 1),                         // an even kernel, a wide row
      inner(2, 1, 1, 3, 2, 5, 2, 1),                          // window larger than the image
      first({2, 3, 24, 26}, {2, 2 * lanes, 5, 5}, 11, 4, 0),  // ceil: last window beyond the edge
      first({1, 3, 15, 40}, {1, lanes, 9, 21}, 5, 2, 3),      // padded, stride 2
      first({2, 1, 9, 9}, {2, 3 * lanes, 9, 9}, 3, 1, 1),     // a grey image
  };
}

}  // namespace

ANX_TEST(the_gemm_engine_matches_the_definition_in_double) {
  for (const ConvProblem& p : kProblems)
    for (const int threads : {1, 3}) check_engine<double>(p, "gemm", threads, 1e-13);
}

ANX_TEST(the_gemm_engine_matches_the_definition_in_float) {
  for (const ConvProblem& p : kProblems) check_engine<float>(p, "gemm", 2, 1e-5);
}

ANX_TEST(the_direct_engine_matches_the_definition) {
  for (const ConvProblem& p : direct_problems())
    for (const int threads : {1, 3}) check_engine<float>(p, "direct", threads, 1e-5);
}

ANX_TEST(the_winograd_engine_matches_the_definition) {
  const int lanes = cpu(0)->channel_block(DType::f32);
  for (const int kernel : {3, 5})
    for (const int size : {4, 13})
      for (const int threads : {1, 3}) {
        const Shape x{2, 2 * lanes, size, size + 1}, y{2, 6 * lanes, size, size + 1};
        const int pad = kernel / 2;
        check_engine<float>({x, y, kernel, kernel, 1, 1, pad, pad, 2, DType::f32, lanes},
                            "winograd", threads, 3e-5);
      }
}

ANX_TEST(an_unknown_engine_is_rejected_with_the_available_engines) {
  ANX_CHECK_THROWS(ConfigError, "gemm", cpu(0)->make_conv("cudnn", kProblems[0], {}));
}
