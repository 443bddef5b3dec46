#include "core/philox.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace alexnet {

void normals(const RandomSite& site, uint64_t step, double* out, size_t count) {
  for (size_t first = 0; first < count; first += 4) {
    const Philox4 bits = site.four(step, first / 4);
    double z[4];
    for (size_t i = 0; i < 4; i += 2) {
      // The first uniform is kept away from 0, so the radius is finite.
      const double u = (double(bits.v[i]) + 0.5) / 4294967296.0;
      const double v = (double(bits.v[i + 1]) + 0.5) / 4294967296.0;
      const double radius = std::sqrt(-2.0 * std::log(u)), angle = 2.0 * std::numbers::pi * v;
      z[i] = radius * std::cos(angle);
      z[i + 1] = radius * std::sin(angle);
    }
    std::copy_n(z, std::min<size_t>(4, count - first), out + first);
  }
}

}  // namespace alexnet
