// Checks the order of work with vector clocks of streams and the host. Two tasks that access the
// same memory, at least one of them writing, must be ordered by a stream, an event or a wait of the
// host. If they are not, the process ends with an error message, whichever task happened to run
// first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuda_sim {

// Memory that a task accesses.
struct Access {
  const void* at;
  size_t bytes;
  bool writes;
  const char* who;  // "a copy", or the name of a kernel's op
};
using Accesses = std::vector<Access>;

// A vector clock: for each party, the time up to which its work is known to have happened.
class Clock {
 public:
  void join(const Clock& other);
  uint64_t of(int party) const { return size_t(party) < known_.size() ? known_[size_t(party)] : 0; }
  void set(int party, uint64_t time);

 private:
  std::vector<uint64_t> known_;
};

struct Moment {
  int party = -1;  // -1: none yet
  uint64_t time = 0;
};

// A stream, or the host. All threads of the host are one party, because the simulator cannot see
// how they synchronise with each other: a wait of one thread counts for all. Races between them are
// left to ThreadSanitizer.
class Party {
 public:
  Party();  // starts with the clock of the host
  ~Party();
  Party(const Party&) = delete;
  static Party& host();

  Clock told();  // returns the clock and advances the time: later work is not part of the result
  void learn(const Clock& clock);  // joins a clock that told() returned
  Moment now() const;              // the moment of the running task of a stream
  void learn_everything();         // called after a wait that the simulator cannot see

  // A task starts on this stream. `device` is for the error message.
  void touch(const Accesses& accesses, int device);
  // The host accesses memory directly: conflicting work of streams must be known to have finished.
  void touch_now(const Access& access);

 private:
  explicit Party(bool);
  int id_;
  Clock clock_;
};

// Removes the history of memory that has been freed.
void forget(const void* at, size_t bytes);

// Dies if two nodes of a graph conflict and neither depends on the other. `after[i]`: the nodes
// that node i depends on, all smaller than i.
void check_graph(const std::vector<const Accesses*>& nodes,
                 const std::vector<std::vector<size_t>>& after);

}  // namespace cuda_sim
