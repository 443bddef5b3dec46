#include "backends/cpu/device/peak_rates.h"

#include <algorithm>
#include <atomic>

#include "core/tensor.h"

#if defined(ANX_X86_KERNELS)
#include <immintrin.h>
#endif

namespace alexnet {
namespace {

constexpr int kTries = 5;
constexpr int64_t kFloats = int64_t(24) << 20;  // 96 MiB per array: larger than the caches

std::atomic<float> sink;  // results are stored here, so that the compiler keeps the loops

double seconds(const auto& work) {
  const int64_t start = profile_clock();
  work();
  return double(profile_clock() - start) * 1e-9;
}

// The best of several tries: other programs can only make it slower.
double best_rate(double amount, const auto& work) {
  double best = 0;
  for (int i = 0; i < kTries; ++i) best = std::max(best, amount / seconds(work));
  return best;
}

// Operations per second of loop(turns) running on all threads at once.
double arithmetic_rate(ThreadPool& pool, double operations_a_turn, const auto& loop) {
  int64_t turns = 1 << 16;
  const auto all = [&] {
    pool.parallel_for(pool.threads(), [&](int64_t, int) { sink = loop(turns); });
  };
  constexpr double wanted = 0.03;
  turns = int64_t(double(turns) * std::max(1.0, wanted / seconds(all)));
  return best_rate(operations_a_turn * double(turns) * pool.threads(), all);
}

#if defined(ANX_X86_KERNELS)
constexpr int kDotSums = 12;

// Two products per lane: 2 * 16 * kDotSums multiply-adds per turn.
__attribute__((target("avx512f,avx512bf16"))) float dot_loop(int64_t turns) {
  __m512 sums[kDotSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f80), b = (__m512bh)_mm512_set1_epi16(0x3c00);
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
    for (int i = 0; i < kDotSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], a, b);
    asm volatile("" : "+v"(a), "+v"(b));
  }
  float total = 0;
  for (const __m512& sum : sums) total += _mm512_reduce_add_ps(sum);
  return total;
}
#endif

double bf16_rate(ThreadPool& pool) {
#if defined(ANX_X86_KERNELS)
  if (bf16_kernels()) return arithmetic_rate(pool, 2.0 * 2 * 16 * kDotSums, &dot_loop);
#endif
  (void)pool;
  return 0;
}

// The larger of two rates: reading only, and the weight update, which reads three arrays and writes
// two of them.
double memory_rate(CpuDevice& device) {
  ThreadPool& pool = device.pool();
  const Tensor memory(device, {3, 1, 1, int(kFloats)}, DType::f32);
  auto* const floats = static_cast<float*>(memory.view().data);
  const auto array = [&](int i) {
    return View<float>{floats + i * kFloats, {1, 1, 1, int(kFloats)}, device.id()};
  };
  const SgdUpdate<float> update{1e-3f, 0.9f, 5e-4f, array(0), array(1), array(2)};
  const auto updates = [&] {
    kernels().launch[op_index<SgdUpdate<float>>](&update, update.grid(), pool);
  };
  constexpr int64_t chunk = 1 << 20;
  pool.parallel_for(3 * kFloats / chunk,
                    [&](int64_t item, int) { std::fill_n(floats + item * chunk, chunk, 1.0f); });
  const auto reads = [&] {
    pool.parallel_for(3 * kFloats / chunk, [&](int64_t item, int) {
      sink = kernels().peak.read(floats + item * chunk, chunk);
    });
  };
  return std::max(best_rate(4.0 * 3 * double(kFloats), reads),
                  best_rate(4.0 * 5 * double(kFloats), updates));
}

}  // namespace

PeakRates measure_cpu_peak_rates(CpuDevice& device) {
  const PeakLoops& loops = kernels().peak;
  PeakRates rates;
  rates.f32_flops = arithmetic_rate(device.pool(), 2.0 * loops.multiply_adds, loops.multiply_add);
  rates.bf16_flops = bf16_rate(device.pool());
  rates.bytes = memory_rate(device);
  return rates;
}

}  // namespace alexnet
