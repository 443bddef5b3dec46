// Philox4x32-10, a counter-based random generator (Salmon et al., "Parallel Random Numbers: As Easy
// as 1, 2, 3", SC 2011). A draw is a pure function of (seed, site, step, element): it does not
// depend on the number of threads, devices or machines, and resuming a run repeats it exactly.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/macros.h"

namespace alexnet {

struct Philox4 {
  uint32_t v[4];
};

ANX_HD Philox4 philox4x32(Philox4 counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(0xD2511F53u) * counter.v[0];
    const uint64_t b = uint64_t(0xCD9E8D57u) * counter.v[2];
    counter = {{uint32_t(b >> 32) ^ counter.v[1] ^ key0, uint32_t(b),
                uint32_t(a >> 32) ^ counter.v[3] ^ key1, uint32_t(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// One source of random draws in a run (a layer, the crop, the mirror, ...).
struct RandomSite {
  uint64_t seed = 0;
  uint32_t site = 0;  // site_of(name)

  // The random bits of elements 4 block .. 4 block + 3 at `step`. counter = (block low, block high,
  // site, step).
  ANX_HD Philox4 four(uint64_t step, uint64_t block) const {
    return philox4x32(
        {{uint32_t(block), uint32_t(block >> 32) ^ uint32_t(step >> 32), site, uint32_t(step)}},
        uint32_t(seed), uint32_t(seed >> 32));
  }
  ANX_HD uint32_t bits(uint64_t step, uint64_t element) const {
    return four(step, element / 4).v[element % 4];
  }
  // Uniform in [0, 1), 24 bits: exact in float and in double.
  ANX_HD static float uniform(uint32_t bits) { return float(bits >> 8) * (1.0f / 16777216.0f); }
  ANX_HD float uniform(uint64_t step, uint64_t element) const {
    return uniform(bits(step, element));
  }
};

// FNV-1a of the name.
constexpr uint32_t site_of(std::string_view name) {
  uint32_t h = 2166136261u;
  for (const char c : name) h = (h ^ uint8_t(c)) * 16777619u;
  return h;
}

// Standard normal draws first .. first + count - 1 of a site, on the host (Box and Muller 1958).
// Each pair of 32-bit uniforms gives two normals.
void normals(const RandomSite& site, uint64_t step, uint64_t first, double* out, size_t count);
inline void normals(const RandomSite& site, uint64_t step, double* out, size_t count) {
  normals(site, step, 0, out, count);
}
double normal(const RandomSite& site, uint64_t step, uint64_t element);

}  // namespace alexnet
