#include "train/gradient_reducer.h"

#include <algorithm>

namespace alexnet {
namespace {

// For each bucket, the instruction after which it and all earlier buckets are complete.
std::vector<int> last_instructions(const std::vector<GradientBucket>& buckets,
                                   const Program* program) {
  std::vector<int> last(buckets.size(), -1);
  if (!program) return last;
  std::map<std::pair<std::string, size_t>, int> writer;
  for (size_t i = 0; i < program->instructions.size(); ++i) {
    const Instruction& instruction = program->instructions[i];
    const Node& node = program->nodes[size_t(instruction.node)];
    if (instruction.kind == Instruction::Kind::forward)
      for (const ParamUse& use : node.state) writer[{use.name, size_t(use.part)}] = int(i);
    if (instruction.kind == Instruction::Kind::backward)
      for (const ParamUse& use : node.params) writer[{use.name, size_t(use.part)}] = int(i);
  }
  int latest = -1;
  for (size_t b = 0; b < buckets.size(); ++b) {
    for (const GradientRange& range : buckets[b].ranges)
      latest = std::max(latest, writer.at({range.name, range.part}));
    last[b] = latest;
  }
  return last;
}

AnyView range_of(AnyView view, const GradientRange& range) {
  view.data = static_cast<char*>(view.data) + range.first * int64_t(size_of(view.dtype));
  view.shape = {1, 1, 1, int(range.count)};
  return view;
}

}  // namespace

GradientReducer::GradientReducer(int rank, Parameters& parameters,
                                 const std::vector<Device*>& devices,
                                 const std::vector<Stream*>& streams,
                                 std::vector<std::unique_ptr<Communicator>> communicators)
    : rank_(rank),
      parameters_(parameters),
      network_(streams),
      communicators_(std::move(communicators)) {
  for (Device* device : devices) {
    owned_.push_back(device->make_stream());
    own_.push_back(owned_.back().get());
    done_.push_back(own_.back()->make_event());
  }
}

void GradientReducer::share() {
  for (const std::string& name : updated(parameters_)) {
    if (whole_.erase(name) == 0 || rank_ == 0) continue;
    const auto shards = parameters_.shards(name);
    for (size_t part = 0; part < shards.size(); ++part)
      network_[shards[part].device]->fill_zero(parameters_.gradient(name, part));
  }
}

void GradientReducer::begin(const Program* program) {
  std::vector<std::string> names;
  for (const std::string& name : updated(parameters_))
    if (!is_whole(name)) names.push_back(name);
  begin(names, program);
}

void GradientReducer::begin(const std::vector<std::string>& names, const Program* program) {
  buckets_ = gradient_buckets(parameters_, names);
  last_ = last_instructions(buckets_, program);
  views_.assign(buckets_.size(), {});
  for (size_t b = 0; b < buckets_.size(); ++b) {
    for (const GradientRange& range : buckets_[b].ranges)
      views_[b].push_back(range_of(parameters_.gradient(range.name, range.part), range));
    if (b == labels_.size()) labels_.push_back(format("gradients {}", b));
  }
  next_ = 0;
}

void GradientReducer::after(int instruction) {
  while (next_ < buckets_.size() && last_[next_] <= instruction) enqueue(next_++);
}

void GradientReducer::enqueue(size_t b) {
  const size_t device = buckets_[b].device;
  Stream& stream = *own_[device];
  std::unique_ptr<Event>& complete = complete_[{device, b}];
  if (!complete) complete = network_[device]->make_event();
  network_[device]->record(*complete);
  stream.set_label(labels_[b].c_str(), Phase::reduce);
  stream.wait(*complete);
  communicators_[device]->all_reduce(stream, views_[b]);
}

void GradientReducer::finish() {
  while (next_ < buckets_.size()) enqueue(next_++);
  for (size_t d = 0; d < own_.size(); ++d) {
    own_[d]->record(*done_[d]);
    network_[d]->set_label("gradients", Phase::reduce);
    network_[d]->wait(*done_[d]);
  }
  for (const GradientBucket& bucket : buckets_)
    for (const GradientRange& range : bucket.ranges) whole_.insert(range.name);
}

void GradientReducer::reduce(const std::string& name) {
  begin(std::vector<std::string>{name}, nullptr);
  finish();
}

void GradientReducer::were_updated() {
  for (const std::string& name : updated(parameters_)) whole_.erase(name);
}

void GradientReducer::abort() noexcept {
  for (auto& communicator : communicators_) communicator->abort();
}

void GradientReducer::synchronize() {
  for (Stream* stream : own_) stream->synchronize();
}

}  // namespace alexnet
