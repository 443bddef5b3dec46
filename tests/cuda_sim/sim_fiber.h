// Fibers: separate stacks that are switched explicitly, for the threads of a block that wait for
// each other.
#pragma once

#include <cstddef>

#include "sim.h"

namespace cuda_sim {

// ThreadSanitizer treats fibers as unordered threads, so that it detects races between the threads
// of a block. The simulator's own accesses are hidden from it.
void hide_from_sanitizer();
void show_to_sanitizer();
struct Hidden {
  Hidden() { hide_from_sanitizer(); }
  ~Hidden() { show_to_sanitizer(); }
  Hidden(const Hidden&) = delete;
};

class Fiber {
 public:
  // The first resume() runs entry(context) on a separate stack; entry must not return. It starts
  // hidden from the sanitizer and must be hidden when it pauses.
  Fiber(void (*entry)(void*), void* context);
  ~Fiber();
  Fiber(const Fiber&) = delete;

  void resume();          // runs the fiber until it calls pause(); called on the thread's own stack
  static void pause();    // returns to the caller of resume()
  static void arrived();  // must be called first on a new fiber

 private:
  static constexpr size_t kStack = 256 << 10;
  char* stack_;
  void *own_ = nullptr, *other_ = nullptr;                // stack pointers
  void *own_shadow_ = nullptr, *other_shadow_ = nullptr;  // of the sanitizer
  const void* other_bottom_ = nullptr;
  size_t other_size_ = 0;
};

}  // namespace cuda_sim
