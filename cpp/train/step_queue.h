// The data of enqueued steps: uploads of their inputs on separate streams, and downloads of their
// scores until they are read.
#pragma once

#include <memory>
#include <vector>

#include "core/tensor.h"

namespace alexnet {

class StepQueue {
 public:
  StepQueue(const std::vector<Device*>& devices, const std::vector<Stream*>& streams);
  ~StepQueue();

  int waiting() const { return pushed_ - popped_; }

  // For each step, call begin(), feed() for each input, enqueue its work, and call push(). At most
  // two steps may be waiting, so that one runs while the data of the next are uploaded. `owner`
  // keeps the memory passed to feed() alive; may be null.
  void need_room() const;  // throws ConfigError if two steps are waiting
  void begin(std::shared_ptr<const void> owner = nullptr);
  // Sends `data` to `target`, which is written on the stream of its device after the work enqueued
  // there before. Memory that the device accesses directly (Device::reaches) is not copied first:
  // it must not change, and its owner is kept, until the step's scores are read. Other memory is
  // copied before feed() returns.
  void feed(const void* data, const AnyView& target, const char* label);
  void push(const AnyView& scores, int images, Stream& stream);

  struct Scores {
    const void* data;  // valid until the step after the next begins
    int images;
  };
  Scores
  pop();  // of the oldest step; blocks until they are complete and its data are no longer read

  // Waits for the streams of this queue and releases the owners, except that of a step that has
  // begun and is not pushed.
  void synchronize();
  void forget();  // drops all waiting steps, after an error

 private:
  struct HostBuffer {
    Device* device = nullptr;
    void* data = nullptr;
    size_t bytes = 0;

    HostBuffer() = default;
    HostBuffer(const HostBuffer&) = delete;
    HostBuffer(HostBuffer&& other) noexcept;
    ~HostBuffer() { release(); }
    void reserve(Device& on, size_t wanted);
    void release() noexcept;
  };
  struct Lane {
    size_t device = 0;
    HostBuffer host;
    Tensor staged;
    std::unique_ptr<Event> arrived;
    bool direct = false;  // whether the last upload read the caller's memory directly
  };
  struct Slot {
    std::vector<Lane> lanes;
    size_t used = 0;
    HostBuffer scores;
    std::unique_ptr<Event> scored;
    std::shared_ptr<const void> owner;
    int images = 0;
  };
  static constexpr int kSlots = 2;

  Slot& slot(int step) { return slots_[size_t(step % kSlots)]; }
  size_t index_of(DeviceId id) const;
  void copy_to(void* to, const void* from, const AnyView& as);

  std::vector<Device*> devices_;
  std::vector<Stream*> streams_;
  std::vector<std::unique_ptr<Stream>> uploads_;
  std::unique_ptr<Device> host_;  // copies large batches on several threads; created on first use
  std::unique_ptr<Stream> copies_;
  Slot slots_[kSlots];
  int pushed_ = 0, popped_ = 0;
  bool begun_ = false;  // whether begin() was called and push() was not
};

}  // namespace alexnet
