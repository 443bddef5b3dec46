#include "core/philox.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace alexnet {
namespace {

constexpr size_t kBlocks = 64;  // Philox blocks per iteration: separate loops, which vectorise

// Never 0, so that its logarithm is finite.
double uniform(uint32_t bits) { return (double(bits) + 0.5) / 4294967296.0; }
double angle(uint32_t bits) { return 2.0 * std::numbers::pi * uniform(bits); }

}  // namespace

void normals(const RandomSite& site, uint64_t step, uint64_t first, double* out, size_t count) {
  uint32_t bits[4 * kBlocks];
  double radius[2 * kBlocks], z[4 * kBlocks];
  const uint64_t end = first + count;
  for (uint64_t at = first; at < end;) {
    const uint64_t begin = at / 4;
    const size_t blocks = std::min<uint64_t>(kBlocks, (end + 3) / 4 - begin);
    for (size_t b = 0; b < blocks; ++b) std::copy_n(site.four(step, begin + b).v, 4, bits + 4 * b);
    for (size_t i = 0; i < 2 * blocks; ++i) radius[i] = std::log(uniform(bits[2 * i]));
    for (size_t i = 0; i < 2 * blocks; ++i) radius[i] = std::sqrt(-2.0 * radius[i]);
    for (size_t i = 0; i < 2 * blocks; ++i) {
      const double a = angle(bits[2 * i + 1]);
      z[2 * i] = radius[i] * std::cos(a);
      z[2 * i + 1] = radius[i] * std::sin(a);
    }
    const size_t skipped = size_t(at - 4 * begin);
    const size_t drawn = std::min<uint64_t>(4 * blocks - skipped, end - at);
    out = std::copy_n(z + skipped, drawn, out);
    at += drawn;
  }
}

double normal(const RandomSite& site, uint64_t step, uint64_t element) {
  double z;
  normals(site, step, element, &z, 1);
  return z;
}

}  // namespace alexnet
