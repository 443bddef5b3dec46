// Training steps that the host does not wait for.
#include "train/compiled.h"

namespace alexnet {

bool Network::overlaps() const {
  for (const Device* device : device_list_)
    if (device->threads() > 0) return false;
  return true;
}

int Network::waiting_steps() const { return queue_ ? queue_->waiting() : 0; }

void Network::enqueue_step(const Batch& batch, uint64_t step, int64_t first_image, int64_t total) {
  check_labels(batch);
  if (total <= 0) total = batch.count;
  const bool updates = first_image + batch.count >= total;
  if (!queue_) queue_ = std::make_unique<StepQueue>(device_list_, stream_list_);
  forget_records();
  queue_->need_room();
  Compiled& c = compiled(batch.count, Work::gradients);
  if (updates)
    parameters_->prepare_update();
  else
    parameters_->will_accumulate();
  StepContext context = training_context(step, first_image, total);
  const Program& program = c.executor.program();
  try {
    queue_->begin(batch.owner);
    feed_images(c.executor, batch);
    const AnyView labels = c.executor.view(program.labels);
    queue_->feed(batch.labels, labels, "labels");
    context.labels = labels;
    run_step(c, context, updates);
    queue_->push(c.executor.view(program.scores), batch.count, stream_of(program, program.scores));
    await_each_other();
  } catch (...) {
    for (Compiled::Played& played : c.played)
      if (played.replay) played.replay->cancel();
    queue_->forget();
    parameters_->drop_gradients();
    synchronize();
    throw;
  }
  if (profiling_) synchronize();
}

void Network::run_step(Compiled& c, const StepContext& context, bool updates) {
  const auto enqueue = [&] {
    c.executor.run(context);
    if (updates) parameters_->update();
  };
  if (profiling_) return enqueue();  // task by task
  Compiled::Played& played = c.played[updates];
  if (!std::exchange(played.asked_for, true))
    played.replay = stream_list_[0]->make_replay(stream_list_);
  if (!played.replay) return enqueue();
  bool done = false;
  while (!done) {
    try {
      played.replay->begin();
      enqueue();
      done = played.replay->end();
    } catch (const DeviceError& e) {
      if (!played.replay->give_up(e.what())) throw;
    }
  }
}

// What any stream does from now on comes after what all have done: the next step uses their memory.
void Network::await_each_other() {
  if (stream_list_.size() < 2) return;
  if (step_ends_.empty())
    for (Stream* stream : stream_list_) step_ends_.push_back(stream->make_event());
  for (size_t i = 0; i < stream_list_.size(); ++i) stream_list_[i]->record(*step_ends_[i]);
  for (size_t i = 0; i < stream_list_.size(); ++i)
    for (size_t j = 0; j < stream_list_.size(); ++j)
      if (i != j) stream_list_[i]->wait(*step_ends_[j]);
}

StepResult Network::next_result() {
  require<ConfigError>(waiting_steps() > 0, "no step waits for its results to be read");
  // Also reports what went wrong: a CPU's stream leaves out the rest after an error.
  if (queue_->waiting() == 1 || !overlaps()) synchronize();
  const StepQueue::Scores scores = queue_->pop();
  return result_of(scores.data, scores.images);
}

}  // namespace alexnet
