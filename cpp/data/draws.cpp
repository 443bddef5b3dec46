#include "data/draws.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace alexnet {
namespace {

// An integer in 0 .. limit - 1; probabilities are equal to within 2^-32.
int32_t below(uint32_t bits, int limit) { return int32_t(uint64_t(bits) * uint64_t(limit) >> 32); }

}  // namespace

std::vector<int64_t> permutation(const RandomSite& site, uint64_t step, int64_t count) {
  std::vector<std::pair<uint64_t, int64_t>> keys(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; i += 2) {
    const Philox4 bits = site.four(step, uint64_t(i / 2));
    keys[size_t(i)] = {uint64_t(bits.v[0]) << 32 | bits.v[1], i};
    if (i + 1 < count) keys[size_t(i + 1)] = {uint64_t(bits.v[2]) << 32 | bits.v[3], i + 1};
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int64_t> order(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) order[i] = keys[i].second;
  return order;
}

ImageDraws::ImageDraws(AugmentSettings settings, int channels, uint64_t seed)
    : settings_(std::move(settings)),
      channels_(channels),
      crop_{seed, site_of("data/crop")},
      mirror_{seed, site_of("data/mirror")},
      color_{seed, site_of("data/colour")} {
  const AugmentSettings& s = settings_;
  require<ConfigError>(s.group >= 1, "images per draw must be at least 1, not {}", s.group);
  require<ConfigError>(
      s.positions_y >= 1 && s.positions_x >= 1 && s.first_y >= 0 && s.first_x >= 0,
      "crop offsets need at least 1 x 1 positions from (0, 0) on, not {} x {} from "
      "({}, {})",
      s.positions_y, s.positions_x, s.first_y, s.first_x);
  require<ConfigError>(s.color_epochs == 0 || s.axes.size() == size_t(channels) * channels,
                       "the color axes have {} values; {} channels need {}", s.axes.size(),
                       channels, channels * channels);
}

void ImageDraws::window(int64_t epoch, int64_t position, int32_t* offset) const {
  const uint64_t element = 2 * uint64_t(position / settings_.group);
  offset[0] = settings_.first_y + below(crop_.bits(epoch, element), settings_.positions_y);
  offset[1] = settings_.first_x + below(crop_.bits(epoch, element + 1), settings_.positions_x);
}

uint8_t ImageDraws::mirrored(int64_t epoch, int64_t position) const {
  if (!settings_.mirror) return 0;
  return uint8_t(below(mirror_.bits(epoch, uint64_t(position / settings_.group)), 2));
}

void ImageDraws::color(int64_t epoch, int64_t position, float* shift) const {
  for (int c = 0; c < channels_; ++c) {
    double sum = 0;
    for (int i = 0; i < channels_; ++i)
      sum += normal(color_, epoch, uint64_t(channels_) * uint64_t(position) + uint64_t(i)) *
             settings_.axes[size_t(i * channels_ + c)];
    shift[c] = float(sum);
  }
}

}  // namespace alexnet
