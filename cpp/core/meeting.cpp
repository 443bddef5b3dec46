#include "core/meeting.h"

#include "core/errors.h"

namespace alexnet {

void Meeting::come() {
  std::unique_lock lock(mutex_);
  const uint64_t own = meetings_;
  if (!called_off_ && ++here_ == ranks_) {
    here_ = 0;
    ++meetings_;
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return called_off_ || meetings_ != own; });
  require<DeviceError>(meetings_ != own, "another replica failed");
}

void Meeting::call_off() noexcept {
  {
    const std::lock_guard lock(mutex_);
    called_off_ = true;
  }
  changed_.notify_all();
}

}  // namespace alexnet
