#include "core/philox.h"

#include <cmath>
#include <numbers>

namespace alexnet {

double normal(const RandomSite& site, uint64_t step, uint64_t element) {
  // One pair of uniforms gives two normals; 32 bits each, the first kept away from 0.
  const uint64_t pair = element / 2 * 2;
  const double u = (double(site.bits(step, pair)) + 0.5) / 4294967296.0;
  const double v = (double(site.bits(step, pair + 1)) + 0.5) / 4294967296.0;
  const double radius = std::sqrt(-2.0 * std::log(u)), angle = 2.0 * std::numbers::pi * v;
  return element % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

}  // namespace alexnet
