// What a layer that takes over a normalisation needs to know of it.
#pragma once

#include "ops/lrn.h"

namespace alexnet {

template <class T>
class LrnSource {
 public:
  virtual ~LrnSource() = default;
  // Null where the backward pass needs what the forward pass kept.
  virtual const LrnParams<T>* recomputed() const = 0;
};

}  // namespace alexnet
