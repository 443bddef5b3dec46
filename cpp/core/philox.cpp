#include "core/philox.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace alexnet {
namespace {

struct NormalPair {
  double z[2];
};

// The first uniform is kept away from 0, so the radius is finite.
NormalPair box_muller(uint32_t first, uint32_t second) {
  const double u = (double(first) + 0.5) / 4294967296.0;
  const double v = (double(second) + 0.5) / 4294967296.0;
  const double radius = std::sqrt(-2.0 * std::log(u)), angle = 2.0 * std::numbers::pi * v;
  return {{radius * std::cos(angle), radius * std::sin(angle)}};
}

}  // namespace

void normals(const RandomSite& site, uint64_t step, double* out, size_t count) {
  for (size_t first = 0; first < count; first += 4) {
    const Philox4 bits = site.four(step, first / 4);
    double z[4];
    for (size_t i = 0; i < 4; i += 2) {
      const NormalPair pair = box_muller(bits.v[i], bits.v[i + 1]);
      z[i] = pair.z[0];
      z[i + 1] = pair.z[1];
    }
    std::copy_n(z, std::min<size_t>(4, count - first), out + first);
  }
}

double normal(const RandomSite& site, uint64_t step, uint64_t element) {
  const Philox4 bits = site.four(step, element / 4);
  const size_t first = element % 4 / 2 * 2;
  return box_muller(bits.v[first], bits.v[first + 1]).z[element % 2];
}

}  // namespace alexnet
