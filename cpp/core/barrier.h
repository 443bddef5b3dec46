// A barrier for the threads of all ranks. Unlike std::barrier it can be aborted, so that the
// failure of one rank does not block the other ranks forever.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace alexnet {

class Barrier {
 public:
  explicit Barrier(int ranks) : ranks_(ranks) {}

  // Blocks until every rank has arrived. Writes that a rank made before it arrived are visible to
  // all ranks afterwards. Throws DeviceError if the barrier has been aborted.
  void arrive_and_wait();
  void abort() noexcept;

 private:
  const int ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  uint64_t completed_ = 0;  // number of times all ranks have arrived
  bool aborted_ = false;
};

}  // namespace alexnet
