// Gradients, and changes of state, in buckets: what the replicas of a network sum in one go. From
// the last layer to the first, the order in which a backward pass ends them; large parameters are
// cut.
#pragma once

#include "train/parameters.h"

namespace alexnet {

inline constexpr size_t kBucketBytes = size_t(25) << 20;

struct GradientRange {  // elements of one part of a parameter
  std::string name;
  size_t part = 0;
  int64_t first = 0, count = 0;
};

struct GradientBucket {
  size_t device = 0;  // all of its gradients live there
  std::vector<GradientRange> ranges;
  int64_t count = 0;
};

// No bucket is larger than `limit` bytes. `names`: in the order of the layers.
std::vector<GradientBucket> gradient_buckets(const Parameters& parameters,
                                             const std::vector<std::string>& names,
                                             size_t limit = kBucketBytes);

// What an update moves and replicas sum: the state of layers, then the trained parameters.
std::vector<std::string> updated(const Parameters& parameters);

}  // namespace alexnet
