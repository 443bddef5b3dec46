// Groups gradients and changes of state into buckets. Each bucket is summed by one all-reduce. The
// order is from the last layer to the first, in which a backward pass completes them. Large
// parameters are split.
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
  size_t device = 0;  // all of its gradients are on this device
  std::vector<GradientRange> ranges;
  int64_t count = 0;
};

// No bucket is larger than `limit` bytes. `names` are in layer order.
std::vector<GradientBucket> gradient_buckets(const Parameters& parameters,
                                             const std::vector<std::string>& names,
                                             size_t limit = kBucketBytes);

// The names of what an update changes and replicas sum: layer state, then trained parameters.
std::vector<std::string> updated(const Parameters& parameters);

}  // namespace alexnet
