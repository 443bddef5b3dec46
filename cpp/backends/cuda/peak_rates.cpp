#include "backends/cuda/peak_rates.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "backends/cuda/blas.h"
#include "backends/cuda/check.h"
#include "backends/cuda/cuda_stream.h"
#include "core/bf16.h"
#include "core/philox.h"
#include "core/tensor.h"

namespace alexnet {
namespace {

constexpr int kSmallest = 256, kLargest = 8192;  // sizes of the square matrices
constexpr float kLongEnough = 2;                 // milliseconds
constexpr int kRounds = 5;
constexpr int64_t kCopied = int64_t(64) << 20;  // number of floats: larger than any cache

// Measures time with a pair of events.
class Stopwatch {
 public:
  explicit Stopwatch(CudaStream& stream) : stream_(stream) {
    const OnDevice here(stream_.device().index);
    for (cudaEvent_t& event : events_) ANX_CUDA(cudaEventCreateWithFlags(&event, cudaEventDefault));
  }
  ~Stopwatch() {
    for (const cudaEvent_t event : events_)
      if (event) cudaEventDestroy(event);
  }
  Stopwatch(const Stopwatch&) = delete;

  template <class F>
  float milliseconds(F&& enqueue) {
    const OnDevice here(stream_.device().index);
    ANX_CUDA(cudaEventRecord(events_[0], stream_.handle()));
    enqueue();
    ANX_CUDA(cudaEventRecord(events_[1], stream_.handle()));
    stream_.synchronize();
    float time = 0;
    ANX_CUDA(cudaEventElapsedTime(&time, events_[0], events_[1]));
    return time;
  }
  template <class F>
  float shortest(F&& enqueue) {
    float best = milliseconds(enqueue);
    for (int i = 1; i < kRounds; ++i) best = std::min(best, milliseconds(enqueue));
    return best;
  }

 private:
  CudaStream& stream_;
  cudaEvent_t events_[2] = {};
};

// Fills a matrix with repeated normal draws: zeros would use less power, and the clock rate would
// be higher than in real use.
template <class T>
void fill(CudaStream& stream, const AnyView& matrix) {
  constexpr int64_t count = int64_t(kSmallest) * kSmallest;
  std::vector<double> draws(count);
  normals(RandomSite{1, 1}, 0, draws.data(), draws.size());
  std::vector<T> values(draws.size());
  for (size_t i = 0; i < draws.size(); ++i) values[i] = T(float(draws[i]));
  const auto piece = [&](int64_t first) {
    AnyView view = matrix;
    view.data = static_cast<T*>(matrix.data) + first;
    view.shape = {1, 1, 1, int(count)};
    return view;
  };
  stream.upload(values.data(), piece(0));
  for (int64_t at = count; at < matrix.shape.count(); at += count) stream.copy(piece(0), piece(at));
  stream.synchronize();
}

// The rate of square products of T, for the first size that takes long enough to be timed. Sums are
// float, results are Y.
template <class T, class Y = float>
double product_rate(CudaDevice& device, CudaStream& stream, Stopwatch& watch, bool tf32 = false) {
  Blas blas(device.id().index, stream.handle(), device.memory());
  for (int n = kSmallest;; n *= 2) {
    const Shape square{1, 1, n, n};
    const Tensor a(device, square, dtype_of<T>), b(device, square, dtype_of<T>),
        c(device, square, dtype_of<Y>);
    fill<T>(stream, a.view());
    fill<T>(stream, b.view());
    Gemm g;
    g.dtype = dtype_of<T>;
    g.m = g.n = g.k = g.lda = g.ldb = g.ldc = n;
    g.a = a.view().data, g.b = b.view().data, g.c = c.view().data;
    constexpr bool narrow = !std::is_same_v<Y, float>;
    const auto multiply = [&] { blas.gemm(g, 1, 0, 0, 0, tf32, narrow); };
    multiply();  // the first one chooses and loads a kernel
    if (watch.milliseconds(multiply) < kLongEnough && n < kLargest) continue;
    return 2.0 * n * n * n / (1e-3 * watch.shortest(multiply));
  }
}

double copy_rate(CudaDevice& device, CudaStream& stream, Stopwatch& watch) {
  const Shape shape{1, 1, 1, int(kCopied)};
  const Tensor from(device, shape, DType::f32), to(device, shape, DType::f32);
  fill<float>(stream, from.view());
  const float time = watch.shortest([&] { stream.copy(from.view(), to.view()); });
  return 2.0 * double(from.view().bytes()) / (1e-3 * time);  // each byte is read and written
}

}  // namespace

PeakRates measure_cuda_peak_rates(CudaDevice& device) {
  CudaStream stream(device);
  Stopwatch watch(stream);
  PeakRates rates;
  rates.f32_flops = product_rate<float>(device, stream, watch);
  if (device.allow_tf32()) rates.tf32_flops = product_rate<float>(device, stream, watch, true);
  // Products of dense layers have float results, cuDNN's convolutions have bf16 results: the faster
  // of the two is the peak.
  rates.bf16_flops = std::max(product_rate<bf16>(device, stream, watch),
                              product_rate<bf16, bf16>(device, stream, watch));
  rates.bytes = copy_rate(device, stream, watch);
  return rates;
}

}  // namespace alexnet
