#include "train/network.h"

#include <algorithm>
#include <cmath>

namespace alexnet {
namespace {

NetworkOptions options_of(const NetworkOptions& all, int rank, int replicas) {
  NetworkOptions own = all;
  const size_t devices = all.devices.size() / size_t(replicas);
  const auto first = all.devices.begin() + std::ptrdiff_t(devices) * rank;
  own.devices.assign(first, first + std::ptrdiff_t(devices));
  const int threads = all.threads > 0 ? all.threads : available_threads();
  own.shares_gradients = replicas > 1;
  own.threads = std::max(1, threads / replicas + (rank < threads % replicas ? 1 : 0));
  return own;
}

}  // namespace

Network::Network(const Description& description, const NetworkOptions& options, int replicas)
    : options_(options) {
  require<ConfigError>(replicas >= 1, "the number of replicas must be at least 1, got {}",
                       replicas);
  require<ConfigError>(!options.devices.empty() && options.devices.size() % size_t(replicas) == 0,
                       "{} devices cannot be divided among {} replicas: give each the same number",
                       options.devices.size(), replicas);
  for (int rank = 0; rank < replicas; ++rank)
    replicas_.push_back(
        std::make_unique<Replica>(description, options_of(options, rank, replicas)));
  if (replicas == 1) return;
  communicator_ = &chosen_communicator();
  threads_ = std::make_unique<ReplicaThreads>(replicas);
}

// The devices with this index in all replicas, over which a communicator sums.
std::vector<Device*> Network::peers(size_t device) const {
  std::vector<Device*> peers;
  for (const auto& network : replicas_) peers.push_back(network->devices()[device]);
  return peers;
}

// Called before training, because the communicator may be unavailable.
const CommunicatorApi& Network::chosen_communicator() const {
  const CommunicatorApi* chosen = nullptr;
  for (size_t d = 0; d < first().devices().size(); ++d) {
    std::vector<DeviceId> ids;
    for (const Device* peer : peers(d)) ids.push_back(peer->id());
    chosen = &communicator(options_.communicator, ids);
    const std::string missing = chosen->missing(ids);
    require<UnavailableError>(missing.empty(), "{}", missing);
  }
  return *chosen;
}

Network::~Network() = default;

Network::Share Network::share(int rank, int images) const {
  const int each = images / count(), more = images % count();
  return {rank * each + std::min(rank, more), each + (rank < more ? 1 : 0)};
}

// Consecutive parts of equal size; the last may be smaller.
std::vector<Network::Share> Network::parts_of(int images, int parts) {
  const int size = (images + parts - 1) / parts;
  std::vector<Share> shares;
  for (int first = 0; first < images; first += size)
    shares.push_back({first, std::min(size, images - first)});
  return shares;
}

Batch Network::part(const Batch& batch, const Share& share) const {
  const int64_t skipped = share.first, channels = first().input().c;
  Batch part = batch;
  part.count = share.count;
  if (batch.labels) part.labels += skipped;
  if (batch.images) {
    const int64_t image_bytes =
        first().input().per_image() * int64_t(size_of(first().compute_type()));
    part.images = static_cast<const char*>(batch.images) + skipped * image_bytes;
  }
  if (part.raw) {
    RawImages& raw = *part.raw;
    raw.records += skipped * raw.height * raw.width * channels;
    raw.offsets += skipped * 2;
    raw.mirror += skipped;
    if (raw.color) raw.color += skipped * channels;
  }
  return part;
}

void Network::connect() {
  if (!reducers_.empty()) return;
  const size_t devices = first().devices().size();
  std::vector<std::vector<std::unique_ptr<Communicator>>> own(replicas_.size());
  for (size_t d = 0; d < devices; ++d) {
    auto all = communicator_->make(peers(d), kBucketBytes);
    for (size_t r = 0; r < all.size(); ++r) own[r].push_back(std::move(all[r]));
  }
  for (size_t r = 0; r < replicas_.size(); ++r) {
    Replica& n = *replicas_[r];
    reducers_.push_back(std::make_unique<GradientReducer>(int(r), n.parameters(), n.devices(),
                                                          n.streams(), std::move(own[r])));
    for (Stream* stream : reducers_.back()->streams()) stream->profile(profiling_);
  }
}

// Runs in the caller's thread if there is one replica.
void Network::each(const std::function<void(int)>& work) {
  if (!threads_) return work(0);
  try {
    threads_->run(work, [this] {
      for (auto& reducer : reducers_) reducer->abort();
    });
  } catch (...) {
    forget_gradients();
    throw;
  }
}

// After a failure it is not known which gradients have been summed.
void Network::forget_gradients() noexcept {
  try {
    for (auto& reducer : reducers_) reducer->synchronize();
  } catch (const Error&) {  // the failure has already been reported
  }
  reducers_.clear();
  for (auto& network : replicas_) {
    try {
      network->parameters().zero_gradients();
    } catch (const Error&) {
    }
  }
}

template <class F>
StepResult Network::sum_of(F&& work) {
  std::vector<StepResult> results(replicas_.size());
  each([&](int rank) { results[size_t(rank)] = work(rank); });
  StepResult sum;
  for (const StepResult& result : results) sum += result;
  return sum;
}

void Network::set_update(const std::string& name, const UpdateRule& rule) {
  for (auto& network : replicas_) network->set_update(name, rule);
}

void Network::set_mean(const RawMean& mean) {
  for (auto& network : replicas_) network->set_mean(mean);
}

void Network::read(const std::string& name, ParamKind kind, void* data) {
  first().parameters().require_kind(name, kind);
  if (kind == ParamKind::gradient && !reducers_.empty() && !reducers_[0]->is_whole(name))
    each([&](int rank) {
      reducers_[size_t(rank)]->reduce(name);
      replicas_[size_t(rank)]->synchronize();
      reducers_[size_t(rank)]->synchronize();
    });
  first().parameters().read(name, kind, data);
}

void Network::write(const std::string& name, ParamKind kind, const void* data) {
  first().parameters().require_kind(name, kind);
  const bool gradient = threads_ && kind == ParamKind::gradient;
  if (gradient) connect();
  each([&](int rank) {
    replicas_[size_t(rank)]->parameters().write(name, kind, data);
    if (gradient) reducers_[size_t(rank)]->was_written(name);
  });
}

StepResult Network::forward_backward(const Batch& batch, uint64_t step, int64_t first_image,
                                     int64_t total) {
  if (!threads_) return first().forward_backward(batch, step, first_image, total);
  first().check_labels(batch);
  connect();
  if (total <= 0) total = batch.count;
  const bool last =
      first_image + batch.count >= total;  // nothing will be added: sum over the replicas
  return sum_of([&](int rank) {
    Replica& network = *replicas_[size_t(rank)];
    GradientReducer& reducer = *reducers_[size_t(rank)];
    const Share own = share(rank, batch.count);
    reducer.share();
    StepResult result;
    if (own.count > 0) {
      result = network.forward_backward(part(batch, own), step, first_image + own.first, total,
                                        last ? &reducer : nullptr);
    } else if (last) {
      reducer.begin(nullptr);
      reducer.finish();
      network.synchronize();
    }
    reducer.synchronize();
    return result;
  });
}

void Network::update() {
  if (!threads_) return first().update();
  connect();
  each([&](int rank) {
    GradientReducer& reducer = *reducers_[size_t(rank)];
    reducer.begin(nullptr);  // gradients that no pass has summed
    reducer.finish();
    replicas_[size_t(rank)]->update();
    reducer.were_updated();
    reducer.synchronize();
  });
}

void Network::forget_state_changes() {
  for (auto& network : replicas_) {
    network->parameters().forget_state_changes();
    network->synchronize();
  }
}

void Network::begin_step(const Batch& batch, uint64_t step, int parts, bool overlap) {
  constexpr size_t kWaiting = 2;
  require<ConfigError>(begun_.size() < kWaiting,
                       "{} steps are already waiting: read the result of the oldest first",
                       begun_.size());
  require<ConfigError>(parts >= 1, "the number of parts must be at least 1, got {}", parts);
  require<ConfigError>(!overlap || !threads_, "steps of {} replicas cannot overlap", count());
  first().check_labels(batch);
  if (!overlap) {
    while (!begun_.empty() && begun_.back().parts > 0) collect();
    begun_.push_back({complete_step(batch, step, parts), 0});
    return;
  }
  begun_.push_back({{.updated = true}, 0});
  try {
    for (const Share& own : parts_of(batch.count, parts)) {
      // One part runs while the data of the next part are uploaded.
      while (first().waiting_steps() >= int(kWaiting)) collect();
      first().enqueue_step(part(batch, own), step, own.first, batch.count);
      ++begun_.back().parts;
    }
  } catch (...) {
    first().drop_steps();  // this step is incomplete, and earlier steps use the same streams
    begun_.clear();
    throw;
  }
}

// Blocking.
StepResult Network::complete_step(const Batch& batch, uint64_t step, int parts) {
  StepResult sum;
  if (parts == 1 && !threads_) {
    sum = first().train_step(batch, step);
    sum.updated = std::isfinite(sum.loss);
    return sum;
  }
  for (const Share& own : parts_of(batch.count, parts))
    sum += forward_backward(part(batch, own), step, own.first, batch.count);
  sum.updated = std::isfinite(sum.loss);
  if (sum.updated) update();
  return sum;
}

// Adds the result of the oldest waiting part to the sum of its step.
void Network::collect() {
  const auto step = std::find_if(begun_.begin(), begun_.end(),
                                 [](const BegunStep& begun) { return begun.parts > 0; });
  try {
    step->sum += first().next_result();
  } catch (...) {
    begun_.clear();
    throw;
  }
  --step->parts;
}

StepResult Network::next_result() {
  require<ConfigError>(!begun_.empty(), "no step is waiting for its result to be read");
  while (begun_.front().parts > 0) collect();
  const StepResult result = begun_.front().sum;
  begun_.pop_front();
  return result;
}

void Network::predict(const Batch& batch, void* out) {
  const int64_t row = first().output().per_image() * int64_t(size_of(first().compute_type()));
  each([&](int rank) {
    const Share own = share(rank, batch.count);
    if (own.count > 0)
      replicas_[size_t(rank)]->predict(part(batch, own), static_cast<char*>(out) + own.first * row);
  });
}

StepResult Network::evaluate(const Batch& batch) {
  first().check_labels(batch);
  return sum_of([&](int rank) {
    const Share own = share(rank, batch.count);
    return own.count > 0 ? replicas_[size_t(rank)]->evaluate(part(batch, own)) : StepResult{};
  });
}

void Network::features(const Batch& batch, const std::string& layer, void* out) {
  const int64_t row =
      first().feature_shape(layer, 1).count() * int64_t(size_of(first().compute_type()));
  each([&](int rank) {
    const Share own = share(rank, batch.count);
    if (own.count > 0)
      replicas_[size_t(rank)]->features(part(batch, own), layer,
                                        static_cast<char*>(out) + own.first * row);
  });
}

// Plan, traffic and profile of the replicas.

PlanInfo Network::plan(int images, bool training, bool accumulates) {
  PlanInfo all = first().plan(share(0, images).count, training, accumulates);
  for (int rank = 1; rank < count(); ++rank) {
    const PlanInfo own = replicas_[size_t(rank)]->plan(std::max(1, share(rank, images).count),
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

GradientTraffic Network::traffic() const {
  GradientTraffic traffic{.replicas = count()};
  if (count() == 1) return traffic;
  const Parameters& parameters = replicas_[0]->parameters();
  for (const GradientBucket& bucket : gradient_buckets(parameters, updated(parameters))) {
    ++traffic.buckets;
    traffic.bytes += size_t(bucket.count) * size_of(parameters.compute_type());
  }
  traffic.device_bytes = communicator_->bytes(count(), kBucketBytes);
  traffic.communicator = communicator_->title();
  return traffic;
}

std::vector<std::string> Network::program(int images, bool training) {
  return first().program(share(0, images).count, training);
}

void Network::profile(bool on) {
  profiling_ = on;
  for (auto& network : replicas_) network->profile(on);
  for (auto& reducer : reducers_)
    for (Stream* stream : reducer->streams()) stream->profile(on);
}

std::vector<ProfiledLane> Network::take_profile() {
  std::vector<ProfiledLane> lanes;
  for (auto& network : replicas_)
    for (ProfiledLane& lane : network->take_profile()) lanes.push_back(std::move(lane));
  for (auto& reducer : reducers_) {
    for (Stream* stream : reducer->streams()) {
      ProfiledLane lane{to_string(stream->device()), {}};
      for (const TaskRecord& r : stream->take_profile())
        if (r.phase !=
            Phase::wait)  // time spent waiting for the next bucket is not work of this device
          lane.tasks.push_back({r.label, r.what, r.phase, r.start, r.end});
      lanes.push_back(std::move(lane));
    }
  }
  return lanes;
}

std::vector<Cost> Network::costs(int images, bool training) {
  std::vector<Cost> all;
  const int devices = int(first().devices().size());
  for (int rank = 0; rank < count(); ++rank) {
    const int own = count() == 1 ? images : share(rank, images).count;
    if (own == 0) continue;
    for (Cost& cost : replicas_[size_t(rank)]->costs(own, training)) {
      cost.device += rank * devices;
      all.push_back(std::move(cost));
    }
  }
  return all;
}

}  // namespace alexnet
