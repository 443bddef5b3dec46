// Compiled once per instruction set, like kernels.cpp. A separate file, so that both compile in
// parallel.
#include "backends/cpu/winograd/kernels.h"

#include "backends/cpu/winograd/products.h"
#include "backends/cpu/winograd/tiles.h"
#include "backends/cpu/winograd/weights.h"

#define ANX_JOIN2(a, b) a##b
#define ANX_JOIN(a, b) ANX_JOIN2(a, b)

namespace alexnet {
namespace {

template <Stored T, int M, int R>
constexpr WinogradTransforms transforms() {
  using W = Winograd<M, R>;
  static_assert(W::side <= kMaxSide);
  return {M,
          R,
          W::row_groups,
          &transform_weights<W, T>,
          &add_weight_gradient<W>,
          &transform_tiles<W, T, true>,
          &transform_tiles<W, T, false>,
          &output_tiles<W, T>};
}

}  // namespace

extern constexpr WinogradKernels ANX_JOIN(winograd_, ANX_KERNELS) = {
    {transforms<float, 4, 3>(), transforms<float, 5, 3>(), transforms<float, 3, 5>(),
     transforms<float, 4, 5>()},
    {transforms<bf16, 4, 3>(), transforms<bf16, 5, 3>(), transforms<bf16, 3, 5>(),
     transforms<bf16, 4, 5>()},
    &winograd_multiply,
    &winograd_accumulate};

}  // namespace alexnet
