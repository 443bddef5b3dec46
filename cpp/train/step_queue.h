// Steps that are enqueued and whose scores are not read yet: their data on the way to the devices,
// on streams of their own, and their scores on the way back.
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

  // A step is begin(), feed() for each of its inputs, its work, push(). At most two wait, so that
  // one runs while the next one's data arrive. `owner`, or null, keeps the memory that is fed.
  void need_room() const;  // throws ConfigError where two wait
  void begin(std::shared_ptr<const void> owner = nullptr);
  // Sends `data` to where the step reads it; that memory is written on the device's own stream,
  // when what was enqueued there before is done. What the device reaches is sent from where it
  // lies: it must stay as it is, and its owner is kept, until the step's scores are read. All else
  // is copied at once.
  void feed(const void* data, const AnyView& target, const char* label);
  void push(const AnyView& scores, int images, Stream& stream);

  struct Scores {
    const void* data;  // valid until the step after the next begins
    int images;
  };
  Scores pop();  // of the oldest step; blocks until they are there, and its data is used no more

  // The streams of this queue. They then read nobody's memory; a step that is begun may still.
  void synchronize();
  void forget();  // what waits; after an error

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
    bool direct = false;  // the last upload read the caller's memory
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
  std::unique_ptr<Device> host_;  // copies large batches, by several threads; made when needed
  std::unique_ptr<Stream> copies_;
  Slot slots_[kSlots];
  int pushed_ = 0, popped_ = 0;
  bool begun_ = false;  // the step that is pushed next
};

}  // namespace alexnet
