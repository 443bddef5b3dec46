// A stream of a CPU device: one thread that runs tasks in order. Tasks are stored in a ring buffer,
// so that enqueueing allocates nothing.
#pragma once

#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "backends/cpu/device/cpu_device.h"

namespace alexnet {

class CpuStream final : public Stream {
 public:
  explicit CpuStream(CpuDevice& device);
  ~CpuStream() override;

  DeviceId device() const override { return device_.id(); }
  ThreadPool& pool() { return device_.pool(); }

  void launch(int index, const void* op, size_t size, Grid grid) override;
  void gemm(const Gemm& gemm) override;
  void fill_zero(AnyView dst) override;
  void copy(AnyView src, AnyView dst) override;
  void upload(const void* src, AnyView dst) override;
  void download(AnyView src, void* dst) override;
  std::unique_ptr<Event> make_event() override;
  void record(Event& event) override;
  void wait(Event& event) override;
  void set_label(const char* label, Phase phase) override {
    label_ = label;
    phase_ = phase;
  }
  void profile(bool on) override { profiling_ = on; }
  std::vector<TaskRecord> take_profile() override;
  void synchronize() override;

  // Enqueues task(), which is copied bytewise and skipped after an error. `what`: name in a
  // profile.
  template <class F>
  void enqueue(F task, const char* what) {
    add<F>(task, {label_, what, phase_});
  }

 private:
  static constexpr size_t kPayload = 512, kRing = 256;
  struct Task {
    void (*run)(const std::byte* payload);
    TaskRecord record;
    bool recorded;
    bool always;  // also runs after an error: events, so that other streams do not wait forever
    alignas(64) std::byte payload[kPayload];
  };

  template <class F>
  void add(const F& task, const TaskRecord& record, bool always = false) {
    static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= kPayload);
    Task& slot = claim();
    slot.run = [](const std::byte* payload) { (*reinterpret_cast<const F*>(payload))(); };
    slot.record = record;
    slot.recorded = profiling_ && record.what;
    slot.always = always;
    std::memcpy(slot.payload, &task, sizeof(F));
    publish();
  }
  Task& claim();  // blocks while the ring is full
  void publish();
  void work();

  CpuDevice& device_;
  const char* label_ = "";
  Phase phase_ = Phase::other;
  bool profiling_ = false;
  std::vector<Task> ring_{kRing};
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t head_ = 0, tail_ = 0;  // number of tasks finished, number of tasks added
  bool running_ = false, stopping_ = false;
  std::exception_ptr error_;
  std::vector<TaskRecord> records_;
  std::thread thread_;
};

}  // namespace alexnet
