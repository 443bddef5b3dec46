#include "train/gradient_buckets.h"

#include <algorithm>

namespace alexnet {

std::vector<GradientBucket> gradient_buckets(const Parameters& parameters,
                                             const std::vector<std::string>& names, size_t limit) {
  const int64_t most = int64_t(limit / size_of(parameters.compute_type()));
  std::vector<GradientBucket> closed;
  std::map<size_t, GradientBucket> open;  // by device
  const auto close = [&](size_t device) {
    if (open[device].count > 0) closed.push_back(std::move(open[device]));
    open[device] = {.device = device};
  };
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    const auto shards = parameters.shards(*name);
    for (size_t part = 0; part < shards.size(); ++part) {
      const auto [device, count] = shards[part];
      if (!open.count(device) || open[device].count + count > most) close(device);
      for (int64_t first = 0; first < count; first += most) {
        const int64_t n = std::min(most, count - first);
        open[device].ranges.push_back({*name, part, first, n});
        open[device].count += n;
        if (open[device].count == most) close(device);
      }
    }
  }
  for (const auto& [device, bucket] : open)
    if (bucket.count > 0) closed.push_back(bucket);
  return closed;
}

std::vector<std::string> updated(const Parameters& parameters) {
  std::vector<std::string> names = parameters.state_names();
  for (const std::string& name : parameters.names())
    if (parameters.rule(name).lr != 0) names.push_back(name);
  return names;
}

}  // namespace alexnet
