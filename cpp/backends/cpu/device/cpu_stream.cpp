#include "backends/cpu/device/cpu_stream.h"

#include <utility>

#include "backends/cpu/gemm/gemm.h"
#include "core/backend.h"

namespace alexnet {
namespace {

class CpuEvent final : public Event {
 public:
  uint64_t next_ticket() { return ++recorded_; }
  uint64_t last_ticket() const { return recorded_; }
  // A waiting thread may destroy the event as soon as it wakes up, so it is notified before the
  // mutex is released.
  void complete(uint64_t ticket) {
    const std::lock_guard lock(mutex_);
    completed_ = ticket;
    changed_.notify_all();
  }
  void wait_for(uint64_t ticket) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return completed_ >= ticket; });
  }
  std::function<void()> host_wait() override {
    return [this, ticket = recorded_] { wait_for(ticket); };
  }

 private:
  uint64_t recorded_ = 0;  // only accessed by the enqueuing thread
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t completed_ = 0;
};

constexpr int64_t kCopyChunk = 1 << 20;

void parallel_copy(ThreadPool& pool, const void* src, void* dst, int64_t bytes) {
  pool.parallel_for((bytes + kCopyChunk - 1) / kCopyChunk, [&](int64_t item, int) {
    const int64_t first = item * kCopyChunk;
    std::memcpy(static_cast<char*>(dst) + first, static_cast<const char*>(src) + first,
                size_t(std::min(kCopyChunk, bytes - first)));
  });
}

}  // namespace

CpuStream::CpuStream(CpuDevice& device) : device_(device), thread_([this] { work(); }) {}

CpuStream::~CpuStream() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

CpuStream::Task& CpuStream::claim() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tail_ - head_ < kRing - 1; });
  return ring_[tail_ % kRing];
}

void CpuStream::publish() {
  {
    const std::lock_guard lock(mutex_);
    ++tail_;
  }
  changed_.notify_all();
}

void CpuStream::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || head_ != tail_; });
    if (head_ == tail_) return;
    Task& task = ring_[head_ % kRing];
    running_ = true;
    if (!error_ || task.always) {
      lock.unlock();
      std::exception_ptr error;
      if (task.recorded) task.record.start = profile_clock();
      try {
        task.run(task.payload);
      } catch (const std::exception& e) {
        error = std::make_exception_ptr(DeviceError(
            format("{} on {}: {}", task.record.label, to_string(device_.id()), e.what())));
      }
      if (task.recorded) task.record.end = profile_clock();
      lock.lock();
      if (task.recorded) records_.push_back(task.record);
      if (error && !error_) error_ = error;
    }
    ++head_;
    running_ = false;
    changed_.notify_all();
  }
}

void CpuStream::synchronize() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return head_ == tail_ && !running_; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::vector<TaskRecord> CpuStream::take_profile() {
  const std::lock_guard lock(mutex_);
  return std::exchange(records_, {});
}

void CpuStream::launch(int index, const void* op, size_t size, Grid grid) {
  struct Launch {
    ThreadPool* pool;
    void (*kernel)(const void*, Grid, ThreadPool&);
    Grid grid;
    alignas(16) std::byte op[kPayload - 64];
    void operator()() const { kernel(op, grid, *pool); }
  } task;
  static constexpr auto names = names_of(AllOps{});
  require<InternalError>(size <= sizeof(task.op), "an op has {} bytes; the limit is {}", size,
                         sizeof(task.op));
  task.pool = &pool();
  task.kernel = kernels().launch[index];
  task.grid = grid;
  std::memcpy(task.op, op, size);
  enqueue(task, names[size_t(index)]);
}

void CpuStream::gemm(const Gemm& g) {
  enqueue([g, pool = &pool()] { parallel_gemm(*pool, g); }, "gemm");
}

void CpuStream::fill_zero(AnyView dst) {
  enqueue(
      [dst, pool = &pool()] {
        pool->parallel_for((dst.bytes() + kCopyChunk - 1) / kCopyChunk, [&](int64_t item, int) {
          const int64_t first = item * kCopyChunk;
          std::memset(static_cast<char*>(dst.data) + first, 0,
                      size_t(std::min(kCopyChunk, dst.bytes() - first)));
        });
      },
      "zero");
}

void CpuStream::copy(AnyView src, AnyView dst) {
  require<DeviceError>(src.device == device(), "a copy from {} was enqueued on a stream of {}",
                       to_string(src.device), to_string(device()));
  require<InternalError>(src.bytes() == dst.bytes(), "a copy from {} to {} differs in size",
                         to_string(src.shape), to_string(dst.shape));
  if (dst.device.kind == DeviceKind::cpu) {
    enqueue([src, dst, pool = &pool()] { parallel_copy(*pool, src.data, dst.data, src.bytes()); },
            "copy");
  } else {
    enqueue([src, dst, api = &backend(dst.device.kind)] { api->write(src.data, dst); }, "copy");
  }
}

void CpuStream::upload(const void* src, AnyView dst) {
  enqueue([src, dst, pool = &pool()] { parallel_copy(*pool, src, dst.data, dst.bytes()); },
          "upload");
}

void CpuStream::download(AnyView src, void* dst) {
  enqueue([src, dst, pool = &pool()] { parallel_copy(*pool, src.data, dst, src.bytes()); },
          "download");
}

std::unique_ptr<Event> CpuStream::make_event() { return std::make_unique<CpuEvent>(); }

void CpuStream::record(Event& event) {
  auto* e = static_cast<CpuEvent*>(&event);
  add([e, ticket = e->next_ticket()] { e->complete(ticket); }, {label_, nullptr}, true);
}

void CpuStream::wait(Event& event) {
  const TaskRecord record{label_, "wait", Phase::wait};
  if (auto* e = dynamic_cast<CpuEvent*>(&event)) {
    add([e, ticket = e->last_ticket()] { e->wait_for(ticket); }, record, true);
  } else {  // an event of another back end
    auto* wait = new std::function<void()>(event.host_wait());
    add(
        [wait] {
          const std::unique_ptr<std::function<void()>> owned(wait);
          (*wait)();
        },
        record, true);
  }
}

}  // namespace alexnet
