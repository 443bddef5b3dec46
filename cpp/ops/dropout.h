// Dropout (Krizhevsky et al. 2012, section 4.2): y = x * mask * scale.
//
//   mask[e] = [u(e) >= rate],  u(e) in [0, 1): Philox at (seed, site, step, e)
//
// e is the element's index in the whole layer and the global batch, so the mask does not depend on
// threads, on how the batch is divided or on which device holds which channels. The map is linear:
// the backward pass is the same op applied to dy, and no mask is stored.
#pragma once

#include "core/philox.h"
#include "ops/op.h"

namespace alexnet {

template <class T>
struct Dropout {
  static constexpr const char* name = "dropout";
  using C = Compute<T>;
  RandomSite site;
  uint64_t step = 0;
  float rate = 0.5f;  // float in every precision, so that the mask is the same
  C scale = 1;        // 1 in the paper's form, 1 / (1 - rate) in the inverted form
  int64_t first_image = 0;
  int first_channel = 0, total_channels = 0;  // channels of this part; of the whole layer
  View<const T> x;
  View<T> y;  // may share memory with x

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return {x.shape.n, x.shape.per_image()}; }

  // e of the first element of an image in this part.
  ANX_HD int64_t first_element(int64_t n) const {
    return ((first_image + n) * total_channels + first_channel) * x.shape.plane();
  }
  ANX_HD C value(C x, uint32_t bits) const {
    return RandomSite::uniform(bits) >= rate ? x * scale : C(0);
  }
  template <class Index>
  ANX_HD void operator()(Index n, Index i) const {
    const Index at = n * x.shape.per_image() + i;
    y[at] = value(x[at], site.bits(step, uint64_t(first_element(n) + i)));
  }
};

// y = a x: the paper's form in inference mode, a = 1 - rate.
template <class T>
struct Scale {
  static constexpr const char* name = "scale";
  Compute<T> a;
  View<const T> x;
  View<T> y;  // may share memory with x

  template <class F>
  void visit(F&& f) const {
    f(x), f(y);
  }
  Grid grid() const { return flat(y); }

  template <class Index>
  ANX_HD void operator()(Index, Index i) const {
    y[i] = a * Compute<T>(x[i]);
  }
};

}  // namespace alexnet
