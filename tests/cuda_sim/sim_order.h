// Who comes after whom: vector clocks of streams and the host. Two tasks that touch the same
// memory, one of them writing, must be ordered by a stream, an event or a wait of the host; if they
// are not, the process ends with a sentence, whichever of them happened to run first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cuda_sim {

// Memory that a task touches.
struct Access {
  const void* at;
  size_t bytes;
  bool writes;
  const char* who;  // "a copy", or the name of a kernel's op
};
using Accesses = std::vector<Access>;

// What is known to have happened: of each party, all up to a number.
class Clock {
 public:
  void join(const Clock& other);
  uint64_t of(int party) const { return size_t(party) < known_.size() ? known_[size_t(party)] : 0; }
  void set(int party, uint64_t time);

 private:
  std::vector<uint64_t> known_;
};

struct Moment {
  int party = -1;  // none yet
  uint64_t time = 0;
};

// A stream, or the host: its threads hand work to each other by means that cannot be seen here, so
// that all of them know what one has waited for. ThreadSanitizer is for what they do to each other.
class Party {
 public:
  Party();   // knows what its maker knows
  ~Party();  // whoever ends it knows what it did
  Party(const Party&) = delete;
  static Party& host();

  Clock told();  // to whom gets this, what has happened so far; what follows has not
  void learn(const Clock& clock);
  Moment now() const;       // of a stream: of the task that runs
  void learn_everything();  // after a wait that the simulator cannot see

  // A task begins on this stream. `device` is for the message.
  void touch(const Accesses& accesses, int device);
  // The host itself touches memory at once: what streams did with it must have come to an end.
  void touch_now(const Access& access);

 private:
  explicit Party(bool);
  int id_;
  Clock clock_;
};

// Memory that has been freed has no past.
void forget(const void* at, size_t bytes);

// Dies if two of a graph's nodes conflict and neither comes after the other. `after[i]`: what node
// i waits for, all smaller than i.
void check_graph(const std::vector<const Accesses*>& nodes,
                 const std::vector<std::vector<size_t>>& after);

}  // namespace cuda_sim
