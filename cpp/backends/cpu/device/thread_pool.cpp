#include "backends/cpu/device/thread_pool.h"

#include <utility>

namespace alexnet {
namespace {

// Spins for about ten microseconds: the condition usually becomes true at once, and sleeping and
// waking up takes longer.
template <class F>
void spin_until(F&& done) {
  for (int i = 0; i < 1000 && !done(); ++i) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  start_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t items, Function function, void* context) {
  const std::lock_guard one_at_a_time(run_mutex_);
  if (items <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < items; ++i) function(context, i, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    next_ = 0;
    items_ = items;
    function_ = function;
    context_ = context;
    busy_ = int(workers_.size());
    ++generation_;
  }
  start_.notify_all();
  take_items(0);
  spin_until([&] { return busy_ == 0; });
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return busy_ == 0; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::take_items(int thread) {
  try {
    for (int64_t i = next_++; i < items_; i = next_++) function_(context_, i, thread);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    next_ = items_;
  }
}

void ThreadPool::work(int thread) {
  uint64_t seen = 0;
  for (;;) {
    spin_until([&] { return generation_ != seen; });
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
    }
    take_items(thread);
    const std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

}  // namespace alexnet
