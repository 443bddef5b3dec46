#include "train/replica_threads.h"

#include <utility>

namespace alexnet {

ReplicaThreads::ReplicaThreads(int count) {
  for (int rank = 0; rank < count; ++rank) threads_.emplace_back([this, rank] { serve(rank); });
}

ReplicaThreads::~ReplicaThreads() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  start_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ReplicaThreads::run(const std::function<void(int)>& work, const std::function<void()>& stop) {
  std::unique_lock lock(mutex_);
  work_ = &work;
  stop_ = &stop;
  busy_ = int(threads_.size());
  ++calls_;
  start_.notify_all();
  done_.wait(lock, [&] { return busy_ == 0; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ReplicaThreads::serve(int rank) {
  uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return ending_ || calls_ != seen; });
      if (ending_) return;
      seen = calls_;
    }
    call(rank);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

void ReplicaThreads::call(int rank) {
  try {
    (*work_)(rank);
  } catch (...) {
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      first = !error_;
      if (first) error_ = std::current_exception();
    }
    if (first) (*stop_)();
  }
}

}  // namespace alexnet
