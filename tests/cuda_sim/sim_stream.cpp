// Streams, events, copies, and launches.
#include <chrono>
#include <cstring>

#include "sim.h"

using namespace cuda_sim;

SimStream::SimStream(int device) : device(device), thread_([this] { work(); }) {
  count("stream", 1);
}

SimStream::~SimStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  Party::host().learn(party.told());
  count("stream", -1);
}

void SimStream::add(Task task) {
  task.sent = Party::host().told();
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void SimStream::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.empty() && !running_; });
  Party::host().learn(party.told());
}

void SimStream::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    running_ = true;
    lock.unlock();
    party.learn(task.sent);
    party.touch(task.touches, device);
    task.run();
    lock.lock();
    running_ = false;
    changed_.notify_all();
  }
}

void SimPoint::complete(uint64_t ticket, const Clock& clock) {
  const std::lock_guard lock(mutex_);
  completed_ = ticket;
  clock_ = clock;
  seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  changed_.notify_all();
}
Clock SimPoint::wait_for(uint64_t ticket) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return completed_ >= ticket; });
  return clock_;
}
bool SimPoint::is_done(uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  return completed_ >= ticket;
}
double SimPoint::seconds() {
  const std::lock_guard lock(mutex_);
  return seconds_;
}

namespace {

void need_stream(SimStream* stream) {
  if (!stream) die("the default stream was used, which waits for all other streams");
}

cudaError_t copy(void* dst, int dst_device, const void* src, int src_device, size_t bytes,
                 SimStream* stream) {
  need_stream(stream);
  check_range("a copy", src_device, src, bytes);
  check_range("a copy", dst_device, dst, bytes);
  if (dst_device == kHost) device_writes(dst);
  std::shared_ptr<PinnedRead> read;
  if (src_device == kHost && !stream->capture && is_pinned_by_host(src))
    read = PinnedRead::begin(src, bytes);
  enqueue(*stream, {[=] {
                      if (read) read->run(stream->party);
                      std::memcpy(dst, src, bytes);
                    },
                    {{src, bytes, false, "a copy"}, {dst, bytes, true, "a copy"}}});
  return cudaSuccess;
}

}  // namespace

cudaError_t cuda_sim::launch(void* kernel, const KernelType& type, dim3 grid, dim3 block,
                             void** arguments, size_t shared, SimStream* stream) {
  need_stream(stream);
  if (stream->device != current_device()) return error(cudaErrorInvalidResourceHandle);
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 ||
      grid.y > 65535 || grid.z != 1 || shared > (48 << 10))
    return error(cudaErrorInvalidValue);
  auto work =
      std::make_shared<KernelWork>(kernel, type, grid, block, arguments, shared, stream->device);
  work->check();
  enqueue(*stream, std::move(work));
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyHostToDevice)
    die("cudaMemcpy to a device may return before the data has arrived, and no stream waits for "
        "it");
  check_range("a copy", kind & 1 ? owner(dst) : kHost, dst, bytes);
  check_range("a copy", kind & 2 ? owner(src) : kHost, src, bytes);
  Party::host().touch_now({src, bytes, false, "a copy"});
  Party::host().touch_now({dst, bytes, true, "a copy"});
  std::memcpy(dst, src, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  need_stream(stream);
  const bool to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return copy(dst, to ? stream->device : kHost, src, from ? stream->device : kHost, bytes, stream);
}
cudaError_t cudaMemcpyPeerAsync(void* dst, int dst_device, const void* src, int src_device,
                                size_t bytes, cudaStream_t stream) {
  return copy(dst, dst_device, src, src_device, bytes, stream);
}
cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  need_stream(stream);
  check_range("a fill", stream->device, data, bytes);
  enqueue(*stream, {[=] { std::memset(data, value, bytes); }, {{data, bytes, true, "a fill"}}});
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (flags != cudaStreamNonBlocking) die("a stream was created that waits for the default stream");
  *stream = new SimStream(current_device());
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  need_stream(stream);
  if (stream->capture) return error(cudaErrorStreamCaptureImplicit);
  stream->drain();
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  need_stream(stream);
  enqueue(*stream, {[=] {
    function(data);
    stream->party.learn_everything();  // the function may have waited for anything
  }});
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new SimEvent(current_device());
  count("event", 1);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  count("event", -1);
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->capture) die("the host waits for an event that was last recorded in a capture");
  Party::host().learn(event->point->wait_for(event->recorded));
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!event->point->is_done(event->recorded)) return cudaErrorNotReady;
  return cudaEventSynchronize(event);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  for (const cudaEvent_t event : {start, end})
    if (!event->point->is_done(event->recorded)) return cudaErrorNotReady;
  *milliseconds = float((end->point->seconds() - start->point->seconds()) * 1000);
  return cudaSuccess;
}
