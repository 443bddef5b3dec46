// Where the threads of all ranks meet: nobody goes on before everybody has come, or one has failed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace alexnet {

class Meeting {
 public:
  explicit Meeting(int ranks) : ranks_(ranks) {}

  // Blocking. What a rank wrote before it came, the others read afterwards. Throws DeviceError once
  // the meeting is called off.
  void come();
  void call_off() noexcept;

 private:
  const int ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int here_ = 0;
  uint64_t meetings_ = 0;
  bool called_off_ = false;
};

}  // namespace alexnet
