#include "core/barrier.h"

#include "core/errors.h"

namespace alexnet {

void Barrier::arrive_and_wait() {
  std::unique_lock lock(mutex_);
  const uint64_t own = completed_;
  if (!aborted_ && ++arrived_ == ranks_) {
    arrived_ = 0;
    ++completed_;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return aborted_ || completed_ != own; });
  require<DeviceError>(completed_ != own, "another replica failed");
}

void Barrier::abort() noexcept {
  {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
  }
  changed_.notify_all();
}

}  // namespace alexnet
