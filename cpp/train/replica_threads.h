// A thread for each replica: they compute side by side, and one that fails ends the work of all.
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

  // Calls work(rank) on all threads; blocks until all have returned. After the first exception,
  // `stop` is called at once, from its thread; in the end the exception is thrown again.
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
