// Initial values of parameters: a function of (seed, name, index in the whole parameter), so they
// do not depend on the placement or the number of threads.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace alexnet {

struct InitialValues {
  RandomSite site;
  double mean = 0, deviation = 0;  // normal distribution; deviation 0: all values are `mean`

  // Draws elements first .. first + count - 1 on `threads` threads including the caller. Blocking.
  template <class T>
  void draw(int64_t first, int64_t count, int threads, T* out) const;
};

}  // namespace alexnet
