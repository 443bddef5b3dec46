// What replicas will do and did, in numbers: plan, traffic, profile.
#include <algorithm>

#include "train/replicas.h"

namespace alexnet {

PlanInfo Replicas::plan(int images, bool training, bool accumulates) {
  PlanInfo all = first().plan(share(0, images).count, training, accumulates);
  for (int rank = 1; rank < count(); ++rank) {
    const PlanInfo own = networks_[size_t(rank)]->plan(std::max(1, share(rank, images).count),
                                                       training, accumulates);
    const auto append = [](auto& to, const auto& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    append(all.edges, own.edges);
    append(all.devices, own.devices);
    append(all.parameter_bytes, own.parameter_bytes);
    append(all.activation_bytes, own.activation_bytes);
  }
  return all;
}

GradientTraffic Replicas::traffic() const {
  GradientTraffic traffic{.replicas = count()};
  if (count() == 1) return traffic;
  const Parameters& parameters = networks_[0]->parameters();
  for (const GradientBucket& bucket : gradient_buckets(parameters, trained(parameters))) {
    ++traffic.buckets;
    traffic.bytes += size_t(bucket.count) * size_of(parameters.compute_type());
  }
  traffic.device_bytes = communicator_->bytes(count(), kBucketBytes);
  traffic.communicator = communicator_->title();
  return traffic;
}

std::vector<std::string> Replicas::program(int images, bool training) {
  return first().program(share(0, images).count, training);
}

void Replicas::profile(bool on) {
  profiling_ = on;
  for (auto& network : networks_) network->profile(on);
  for (auto& reducer : reducers_)
    for (Stream* stream : reducer->streams()) stream->profile(on);
}

std::vector<ProfiledLane> Replicas::take_profile() {
  std::vector<ProfiledLane> lanes;
  for (auto& network : networks_)
    for (ProfiledLane& lane : network->take_profile()) lanes.push_back(std::move(lane));
  for (auto& reducer : reducers_) {
    for (Stream* stream : reducer->streams()) {
      ProfiledLane lane{to_string(stream->device()), {}};
      for (const TaskRecord& r : stream->take_profile())
        if (r.phase != Phase::wait)  // for the next bucket: that is no work of this device
          lane.tasks.push_back({r.label, r.what, r.phase, r.start, r.end});
      lanes.push_back(std::move(lane));
    }
  }
  return lanes;
}

std::vector<Cost> Replicas::costs(int images, bool training) {
  std::vector<Cost> all;
  const int devices = int(first().devices().size());
  for (int rank = 0; rank < count(); ++rank) {
    const int own = count() == 1 ? images : share(rank, images).count;
    if (own == 0) continue;
    for (Cost& cost : networks_[size_t(rank)]->costs(own, training)) {
      cost.device += rank * devices;
      all.push_back(std::move(cost));
    }
  }
  return all;
}

}  // namespace alexnet
