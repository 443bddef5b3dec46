// The state of layers: values that training changes without a gradient, such as running means.
//
//   state += change,  change = 0
//
// Forward passes add to `change`, each part of a batch in proportion to its number of images; the
// step's update applies it.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class C>
struct ApplyChange {
  static constexpr const char* name = "apply_change";
  View<C> state, change;

  template <class F>
  void visit(F&& f) const {
    f(state), f(change);
  }
  Grid grid() const { return flat(state); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    state[i] += change[i];
    change[i] = 0;
  }
};

}  // namespace alexnet
