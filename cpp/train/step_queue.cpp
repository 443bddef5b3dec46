#include "train/step_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/backend.h"

namespace alexnet {

StepQueue::HostBuffer::HostBuffer(HostBuffer&& other) noexcept
    : device(other.device),
      data(std::exchange(other.data, nullptr)),
      bytes(std::exchange(other.bytes, 0)) {}

void StepQueue::HostBuffer::reserve(Device& on, size_t wanted) {
  if (device == &on && bytes >= wanted) return;
  release();
  data = on.allocate_host(wanted);
  device = &on;
  bytes = wanted;
}

void StepQueue::HostBuffer::release() noexcept {
  if (data) device->release_host(data);
  data = nullptr;
  bytes = 0;
}

StepQueue::StepQueue(const std::vector<Device*>& devices, const std::vector<Stream*>& streams)
    : devices_(devices), streams_(streams) {
  for (Device* device : devices_) uploads_.push_back(device->make_stream());
}

StepQueue::~StepQueue() = default;

size_t StepQueue::index_of(DeviceId id) const {
  for (size_t i = 0; i < devices_.size(); ++i)
    if (devices_[i]->id() == id) return i;
  fail<InternalError>("the input of a step is on {}, where the step does not run", to_string(id));
}

void StepQueue::need_room() const {
  require<ConfigError>(waiting() < kSlots,
                       "{} steps are already waiting: read the result of the oldest first",
                       waiting());
}

void StepQueue::begin(std::shared_ptr<const void> owner) {
  need_room();
  slot(pushed_).used = 0;
  slot(pushed_).owner = std::move(owner);
  begun_ = true;
}

void StepQueue::copy_to(void* to, const void* from, const AnyView& as) {
  constexpr int64_t kSmall =
      1 << 16;  // for small data such as labels, starting a thread takes longer than the copy
  if (as.bytes() <= kSmall) {
    std::memcpy(to, from, size_t(as.bytes()));
    return;
  }
  if (!copies_) {
    constexpr int kThreads = 4;  // with one thread, a copy may take as long as a step
    host_ = backend(DeviceKind::cpu).make_device({}, std::min(kThreads, available_threads()));
    copies_ = host_->make_stream();
    copies_->set_label("batch", Phase::upload);
  }
  copies_->upload(from, {to, as.shape, host_->id(), as.dtype});
  copies_->synchronize();
}

// The memory of a lane is free: the scores of its last step have been read.
void StepQueue::feed(const void* data, const AnyView& target, const char* label) {
  Slot& own = slot(pushed_);
  if (own.used == own.lanes.size()) own.lanes.emplace_back();
  Lane& lane = own.lanes[own.used++];
  const size_t device = index_of(target.device), bytes = size_t(target.bytes());
  const bool fits = lane.staged && lane.device == device &&
                    lane.staged.view().dtype == target.dtype &&
                    lane.staged.view().shape.count() >= target.shape.count();
  if (!fits) {
    lane.staged = Tensor(*devices_[device], target.shape, target.dtype);
    lane.arrived = uploads_[device]->make_event();
    lane.device = device;
  }
  lane.direct = devices_[device]->reaches(data, bytes);
  if (!lane.direct) {
    lane.host.reserve(*devices_[device], bytes);
    copy_to(lane.host.data, data, target);
    data = lane.host.data;
  }
  AnyView staged = target;
  staged.data = lane.staged.view().data;
  uploads_[device]->set_label(label, Phase::upload);
  uploads_[device]->upload(data, staged);
  uploads_[device]->record(*lane.arrived);
  streams_[device]->set_label(label, Phase::upload);
  streams_[device]->wait(*lane.arrived);
  streams_[device]->copy(staged, target);
}

void StepQueue::push(const AnyView& scores, int images, Stream& stream) {
  Slot& own = slot(pushed_);
  const auto last = own.lanes.begin() + std::ptrdiff_t(own.used);
  if (std::none_of(own.lanes.begin(), last, [](const Lane& lane) { return lane.direct; }))
    own.owner.reset();  // everything was copied
  own.scores.reserve(*devices_[index_of(scores.device)], size_t(scores.bytes()));
  own.images = images;
  if (!own.scored) own.scored = stream.make_event();
  stream.set_label("scores", Phase::download);
  stream.download(scores, own.scores.data);
  stream.record(*own.scored);
  ++pushed_;
  begun_ = false;
}

StepQueue::Scores StepQueue::pop() {
  require<ConfigError>(waiting() > 0, "no step is waiting for its result to be read");
  Slot& own = slot(popped_++);
  own.scored->host_wait()();
  for (size_t i = 0; i < own.used; ++i)
    if (own.lanes[i].direct) own.lanes[i].arrived->host_wait()();
  own.owner.reset();
  return {own.scores.data, own.images};
}

void StepQueue::synchronize() {
  for (const auto& stream : uploads_) stream->synchronize();
  for (Slot& own : slots_)
    if (!begun_ || &own != &slot(pushed_)) own.owner.reset();
}

void StepQueue::forget() {
  popped_ = pushed_;
  begun_ = false;
}

}  // namespace alexnet
