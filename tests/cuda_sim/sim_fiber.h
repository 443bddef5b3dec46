// Fibers: stacks of their own that are switched by hand, for the threads of a block that wait for
// each other.
#pragma once

#include <cstddef>

#include "sim.h"

namespace cuda_sim {

// ThreadSanitizer takes fibers for threads that nothing orders, so that it sees what the threads of
// a block do to each other. What the simulator notes meanwhile is kept from it.
void hide_from_sanitizer();
void show_to_sanitizer();
struct Hidden {
  Hidden() { hide_from_sanitizer(); }
  ~Hidden() { show_to_sanitizer(); }
  Hidden(const Hidden&) = delete;
};

class Fiber {
 public:
  // Runs entry(context) on a stack of its own at the first resume(); entry must not return. It
  // begins hidden, and pauses only so.
  Fiber(void (*entry)(void*), void* context);
  ~Fiber();
  Fiber(const Fiber&) = delete;

  void resume();          // from the thread's own stack, until the fiber calls pause()
  static void pause();    // back to whoever resumed it
  static void arrived();  // the first thing that entry() calls

 private:
  static constexpr size_t kStack = 256 << 10;
  char* stack_;
  void *own_ = nullptr, *other_ = nullptr;                // stack pointers
  void *own_shadow_ = nullptr, *other_shadow_ = nullptr;  // of the sanitizer
  const void* other_bottom_ = nullptr;
  size_t other_size_ = 0;
};

}  // namespace cuda_sim
