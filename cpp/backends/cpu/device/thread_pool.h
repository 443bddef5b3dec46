// The threads of one CPU device. Work is cut into items whose bounds depend only on shapes, and no
// result depends on which thread runs an item, so results are the same for any number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace alexnet {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // number of threads, including the caller of run()
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return int(workers_.size()) + 1; }

  using Function = void (*)(void* context, int64_t item, int thread);
  // Calls function(context, item, thread) for all items and blocks until all have finished.
  // Rethrows the first exception.
  void run(int64_t items, Function function, void* context);

  template <class F>
  void parallel_for(int64_t items, F&& f) {
    run(
        items,
        [](void* context, int64_t item, int thread) {
          (*static_cast<std::remove_reference_t<F>*>(context))(item, thread);
        },
        &f);
  }

 private:
  void work(int thread);
  void take_items(int thread);

  std::vector<std::thread> workers_;
  std::mutex run_mutex_;  // one run at a time: several streams may share a device
  std::mutex mutex_;
  std::condition_variable start_, done_;
  // Written while holding the mutex; read without it while spinning.
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> busy_{0};
  bool stopping_ = false;

  std::atomic<int64_t> next_{0};
  int64_t items_ = 0;
  Function function_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr error_;
};

}  // namespace alexnet
