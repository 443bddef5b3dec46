// Splits layers that compute each channel from all channels of their input into two towers.
#pragma once

#include "core/errors.h"
#include "layers/layer.h"

namespace alexnet {

// Half of the output channels. Without groups each half reads the whole input; an even number of
// groups is halved too, and each half reads its half of the input.
inline TowerHalf half_of_channels(Attrs attrs, int channels, int groups = 1) {
  require<ConfigError>(channels % 2 == 0, "{} channels cannot be split into two towers", channels);
  attrs.set("channels", int64_t(channels / 2));
  if (groups == 1) return {std::move(attrs), true};
  require<ConfigError>(groups % 2 == 0, "{} groups cannot be split into two towers", groups);
  attrs.set("groups", int64_t(groups / 2));
  return {std::move(attrs), false};
}

// For layers that cannot be split.
[[noreturn]] inline void refuse_halves(const char* type) {
  fail<ConfigError>("{} cannot be split into towers", type);
}

}  // namespace alexnet
