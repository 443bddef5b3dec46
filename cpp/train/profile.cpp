// A network's profile: what its streams did, and what they had to do at least.
#include "train/network.h"

namespace alexnet {

void Network::profile(bool on) {
  for (Stream* stream : stream_list_) stream->profile(on);
  keep_records();
  profiling_ = on;
}

std::vector<ProfiledLane> Network::take_profile() {
  std::vector<ProfiledLane> lanes = std::exchange(lanes_, {});
  lanes.resize(stream_list_.size());
  for (size_t i = 0; i < lanes.size(); ++i) lanes[i].device = to_string(stream_list_[i]->device());
  return lanes;
}

// The labels belong to programs that may be dropped: they are copied here.
void Network::keep_records() {
  if (!profiling_) return;
  lanes_.resize(stream_list_.size());
  for (size_t i = 0; i < lanes_.size(); ++i)
    for (const TaskRecord& r : stream_list_[i]->take_profile())
      lanes_[i].tasks.push_back({r.label, r.what, r.phase, r.start, r.end});
}

// What was done between two steps, as reading the parameters for a checkpoint, is of neither.
void Network::forget_records() {
  if (!profiling_) return;
  for (Stream* stream : stream_list_) stream->take_profile();
}

std::vector<Cost> Network::costs(int images, bool training) {
  return alexnet::costs(build(images, training ? Work::gradients : Work::test));
}

}  // namespace alexnet
