// Gradient descent with momentum and weight decay in the paper's form (section 5).
//
//   v <- momentum * v - decay * lr * w - lr * g
//   w <- w + v
//   g <- 0          (the gradient accumulates: the next backward pass adds to it)
//   shadow <- w     (rounded to T where layers read the weights in it: bf16)
//
// The rate is inside v: after a drop the old velocity coasts on. PyTorch's form shrinks it at once.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class T>
struct SgdUpdate {
  static constexpr const char* name = "sgd_update";
  using C = Compute<T>;
  C lr, momentum, decay;
  View<C> w, v, g;
  View<T> shadow;  // only where T is not C

  template <class F>
  void visit(F&& f) const {
    f(w), f(v), f(g), f(shadow);
  }
  Grid grid() const { return flat(w); }

  ANX_HD void operator()(int64_t, int64_t i) const {
    const C velocity = momentum * v[i] - decay * lr * w[i] - lr * g[i];
    v[i] = velocity;
    w[i] += velocity;
    g[i] = 0;
    if constexpr (!std::is_same_v<T, C>) shadow[i] = w[i];
  }
};

}  // namespace alexnet
