// How layers that make channels from all channels of their input are divided between two towers.
#pragma once

#include "core/errors.h"
#include "layers/layer.h"

namespace alexnet {

// Half of the output channels. Without groups each half reads the whole input; an even number of
// groups is divided as well, and each half reads its own half.
inline TowerHalf half_of_channels(Attrs attrs, int channels, int groups = 1) {
  require<ConfigError>(channels % 2 == 0, "{} channels have no halves", channels);
  attrs.set("channels", int64_t(channels / 2));
  if (groups == 1) return {std::move(attrs), true};
  require<ConfigError>(groups % 2 == 0, "{} groups have no halves", groups);
  attrs.set("groups", int64_t(groups / 2));
  return {std::move(attrs), false};
}

// For layers that mix or count channels in a way that has no halves.
[[noreturn]] inline void refuse_halves(const char* type) {
  fail<ConfigError>("{} cannot be split in towers", type);
}

}  // namespace alexnet
