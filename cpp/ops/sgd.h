// Gradient descent with momentum and weight decay in the paper's form (section 5).
//
//   v <- momentum * v - decay * lr * w - lr * g
//   w <- w + v
//   g <- 0          (the gradient accumulates: the next backward pass adds to it)
//
// The rate is inside v: after a drop the old velocity coasts on. PyTorch's form shrinks it at once.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class T>
struct SgdUpdate {
  static constexpr const char* name = "sgd_update";
  T lr, momentum, decay;
  View<T> w, v, g;

  template <class F>
  void visit(F&& f) const {
    f(w), f(v), f(g);
  }
  Grid grid() const { return flat(w); }

  ANX_HD void operator()(int64_t, int64_t i) const {
    const T velocity = momentum * v[i] - decay * lr * w[i] - lr * g[i];
    v[i] = velocity;
    w[i] += velocity;
    g[i] = 0;
  }
};

}  // namespace alexnet
