// Turns a batch into the input of a network: uploads it unchanged or augments it on each device.
#include "train/replica.h"

namespace alexnet {

void Replica::set_mean(RawMean mean) {
  if (waiting_steps() > 0) synchronize();  // steps may still read the old mean
  mean_ = std::move(mean);
  for (const auto& augmenter : augmenters_) augmenter->forget_mean();
}

void Replica::check_labels(const Batch& batch) const {
  for (int i = 0; i < batch.count; ++i)
    require<ConfigError>(batch.labels[i] >= 0 && batch.labels[i] < output_.c,
                         "label {} of image {} is outside 0..{}", batch.labels[i], i,
                         output_.c - 1);
}

void Replica::upload_images(const Executor& executor, const Batch& batch) {
  const Program& program = executor.program();
  try {
    for (size_t i = 0; i < program.inputs.size(); ++i) {
      if (program.inputs[i] < 0) continue;
      const AnyView input = executor.view(program.inputs[i]);
      Stream& stream = *stream_list_[i];
      stream.set_label(kData, Phase::upload);
      if (batch.raw)
        augmenters_[i]->run(stream, *batch.raw, mean_, input,
                            [&](const void* from, const AnyView& to) { stream.upload(from, to); });
      else
        stream.upload(batch.images, input);
    }
  } catch (...) {
    synchronize();  // uploads may still read the caller's memory
    throw;
  }
}

// The same for an enqueued step.
void Replica::feed_images(const Executor& executor, const Batch& batch) {
  const Program& program = executor.program();
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    if (program.inputs[i] < 0) continue;
    const AnyView input = executor.view(program.inputs[i]);
    const auto feed = [&](const void* from, const AnyView& to) { queue_->feed(from, to, kData); };
    if (batch.raw) {
      stream_list_[i]->set_label(kData, Phase::upload);
      augmenters_[i]->run(*stream_list_[i], *batch.raw, mean_, input, feed);
    } else {
      feed(batch.images, input);
    }
  }
}

}  // namespace alexnet
