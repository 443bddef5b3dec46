// One thread per replica. If one fails, the work of all is stopped.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace alexnet {

class ReplicaThreads {
 public:
  explicit ReplicaThreads(int count);
  ~ReplicaThreads();
  ReplicaThreads(const ReplicaThreads&) = delete;

  // Calls work(rank) on all threads; blocks until all have returned. The thread of the first
  // exception calls `stop` immediately. The exception is rethrown when all have returned.
  void run(const std::function<void(int)>& work, const std::function<void()>& stop);

 private:
  void serve(int rank);
  void call(int rank);

  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void(int)>* work_ = nullptr;
  const std::function<void()>* stop_ = nullptr;
  uint64_t calls_ = 0;
  int busy_ = 0;
  bool ending_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace alexnet
