#include "backends/cuda/writes.h"

#include <map>
#include <mutex>

#include "backends/cuda/check.h"

namespace alexnet {

Writes::~Writes() {
  if (stream_) cudaStreamDestroy(stream_);
}

void Writes::write(const void* host, const AnyView& dst) {
  const OnDevice there(device_);
  std::call_once(made_,
                 [this] { ANX_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); });
  const size_t bytes = size_t(dst.bytes());
  ANX_CUDA(cudaMemcpyAsync(dst.data, host, bytes, cudaMemcpyHostToDevice, stream_));
  ANX_CUDA(cudaStreamSynchronize(stream_));
}

std::shared_ptr<Writes> writes_to(int device) {
  static std::mutex mutex;
  static auto* known = new std::map<int, std::weak_ptr<Writes>>;  // never destroyed
  const std::lock_guard lock(mutex);
  std::weak_ptr<Writes>& last = (*known)[device];
  std::shared_ptr<Writes> writes = last.lock();
  if (!writes) last = writes = std::make_shared<Writes>(device);
  return writes;
}

}  // namespace alexnet
