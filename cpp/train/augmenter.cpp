#include "train/augmenter.h"

#include <memory>

#include "core/backend.h"
#include "ops/run.h"

namespace alexnet {

void augment_on_cpu(const Augment<float>& op, int threads) {
  // Reused between calls; one per loader thread.
  struct Worker {
    std::unique_ptr<Device> device;
    std::unique_ptr<Stream> stream;
  };
  thread_local Worker worker;
  if (!worker.device || worker.device->threads() != threads) {
    worker.stream.reset();
    worker.device = backend(DeviceKind::cpu).make_device({}, threads);
    worker.stream = worker.device->make_stream();
    worker.stream->set_label("augment", Phase::other);
  }
  run(*worker.stream, op);
  worker.stream->synchronize();
}

}  // namespace alexnet
