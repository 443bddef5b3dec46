// Gradient descent with momentum and weight decay in the paper's form (section 5).
//
//   v <- momentum * v - decay * lr * w - lr * g
//   w <- w + v
//   g <- 0          (gradients accumulate: the next backward pass adds to g)
//   shadow <- w     (rounded to T, if the layers read their weights in bf16)
//
// v includes lr: after a drop of lr the old velocity keeps its size and decays by momentum only. In
// PyTorch's form it shrinks at once.
#pragma once

#include "ops/op.h"

namespace alexnet {

template <class C>
struct SgdRates {
  C lr, momentum, decay;

  ANX_HD C step(C& w, C& v, C& g) const {
    const C velocity = momentum * v - decay * lr * w - lr * g, updated = w + velocity;
    v = velocity;
    w = updated;
    g = 0;
    return updated;
  }
};

template <class T>
struct SgdUpdate {
  static constexpr const char* name = "sgd_update";
  using C = Compute<T>;
  SgdRates<C> rates;
  View<C> w, v, g;
  View<T> shadow;  // used only if T is not C

  template <class F>
  void visit(F&& f) const {
    f(w), f(v), f(g), f(shadow);
  }
  Grid grid() const { return flat(w); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    const C updated = rates.step(w[i], v[i], g[i]);
    if constexpr (!std::is_same_v<T, C>) shadow[i] = updated;
  }
};

// A piece of a parameter on the device that updates it.
template <class T>
struct SgdPiece {
  using C = Compute<T>;
  SgdRates<C> rates;
  C *w, *v, *g;
  T* shadow;  // may be null
  int64_t count;
};

// Updates all parameters of a device in one launch: one row per piece; the table of pieces is in
// device memory.
template <class T>
struct SgdUpdateAll {
  static constexpr const char* name = "sgd_update_all";
  static constexpr int64_t kLongest = 16384;  // maximum number of elements of a piece
  View<const SgdPiece<T>> pieces;

  template <class F>
  void visit(F&& f) const {
    f(pieces);
  }
  Grid grid() const { return {pieces.shape.count(), kLongest}; }

  template <class Index, class Team>
  ANX_HD void operator()(Index row, const Team& team) const {
    const SgdPiece<T> p = pieces[row];
    team.each(p.count, [&](Index i) {
      const auto updated = p.rates.step(p.w[i], p.v[i], p.g[i]);
      if (p.shadow) p.shadow[i] = updated;
    });
  }
};

}  // namespace alexnet
