// The values that parameters begin with: a function of (seed, name, index in the whole parameter),
// so the same for every placement and for any number of threads.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace alexnet {

struct InitialValues {
  RandomSite site;
  double mean = 0, deviation = 0;  // of a normal distribution; deviation 0: nothing is drawn

  // Elements first .. first + count - 1, on as many threads, of which the caller is one. Blocking.
  template <class T>
  void draw(int64_t first, int64_t count, int threads, T* out) const;
};

}  // namespace alexnet
