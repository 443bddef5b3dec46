// Compiled once per instruction set, as kernels.cpp is, and beside it: builds stay parallel.
#include "backends/cpu/winograd_kernels.h"

#include "backends/cpu/winograd_products.h"
#include "backends/cpu/winograd_tiles.h"
#include "backends/cpu/winograd_weights.h"

#define ANX_JOIN2(a, b) a##b
#define ANX_JOIN(a, b) ANX_JOIN2(a, b)

namespace alexnet {
namespace {

template <int M, int R>
constexpr WinogradTransforms transforms() {
  using W = Winograd<M, R>;
  static_assert(W::side <= kMaxSide);
  return {M,
          R,
          W::row_groups,
          &transform_weights<W>,
          &add_weight_gradient<W>,
          &transform_tiles<W, true>,
          &transform_tiles<W, false>,
          &output_tiles<W>};
}

}  // namespace

extern constexpr WinogradKernels ANX_JOIN(winograd_, ANX_KERNELS) = {
    {transforms<4, 3>(), transforms<5, 3>(), transforms<3, 5>(), transforms<4, 5>()},
    &winograd_multiply,
    &winograd_accumulate};

}  // namespace alexnet
