#include "backends/cpu/winograd/plan.h"

#include <algorithm>

#include "backends/cpu/kernels.h"
#include "backends/cpu/winograd/conv_winograd.h"

namespace alexnet {
namespace {

// Input tiles have at most 8 x 8 points, those of the weight gradient at most 7 x 7: with 8 x 8 its
// error is 14 times that of the direct engine (docs/numerics.md).
constexpr int kMaxSide = 8, kMaxGradientSide = 7;

// The tile that needs the fewest multiplications; on a tie, the smaller one.
const WinogradTransforms* best_transforms(const ConvProblem& p, const Shape& out, int max_side) {
  const WinogradKernels& kernel = *kernels().winograd;
  const WinogradTransforms* best = nullptr;
  int64_t fewest = 0;
  for (const WinogradTransforms& t :
       p.dtype == DType::bf16 ? kernel.bf16_transforms : kernel.transforms) {
    const int side = t.tile + t.kernel - 1;
    if (t.kernel != p.kernel_h || side > max_side) continue;
    const int64_t rows = (out.h + t.tile - 1) / t.tile, columns = (out.w + t.tile - 1) / t.tile;
    const int64_t products = rows * columns * side * side;
    if (!best || products < fewest) best = &t, fewest = products;
  }
  return best;
}

WinogradPlan plan(const ConvProblem& p, const Shape& in, const Shape& out, int pad_h, int pad_w,
                  int max_side) {
  const WinogradTransforms* t = best_transforms(p, out, max_side);
  return {{.images = in.n,
           .in_c = in.c / p.groups,
           .in_h = in.h,
           .in_w = in.w,
           .out_c = out.c / p.groups,
           .out_h = out.h,
           .out_w = out.w,
           .pad_top = pad_h,
           .pad_left = pad_w,
           .in_image = int64_t(in.c) * in.plane(),
           .out_image = int64_t(out.c) * out.plane(),
           .tile = t->tile,
           .kernel = t->kernel,
           .lanes = p.block},
          t};
}

}  // namespace

WinogradPlan winograd_forward(const ConvProblem& p) {
  return plan(p, p.x, p.y, p.pad_h, p.pad_w, kMaxSide);
}

// dx is the convolution of dy with the flipped taps.
WinogradPlan winograd_backward_data(const ConvProblem& p) {
  return plan(p, p.y, p.x, p.kernel_h - 1 - p.pad_h, p.kernel_w - 1 - p.pad_w, kMaxSide);
}

WinogradPlan winograd_backward_weights(const ConvProblem& p) {
  return plan(p, p.x, p.y, p.pad_h, p.pad_w, kMaxGradientSide);
}

bool fits_conv_winograd(const ConvProblem& p) {
  const int lanes = kernels().direct.lanes;
  return p.dtype != DType::f64 && p.block == lanes && p.x.c / p.groups % lanes == 0 &&
         p.y.c / p.groups % lanes == 0 && p.stride_h == 1 && p.stride_w == 1 &&
         p.kernel_h == p.kernel_w && (p.kernel_h == 3 || p.kernel_h == 5) && p.pad_h < p.kernel_h &&
         p.pad_w < p.kernel_w;
}

bool prefers_conv_winograd(const ConvProblem& p) {
  if (!fits_conv_winograd(p)) return false;
  // Each call transforms all weights: at least this number of tiles must share the cost.
  constexpr int64_t tiles = 24;
  // Each tile is transformed once for all channels of the other side: there must be enough of them.
  constexpr int64_t channels = 32 * 32;
  // Minimum ratio of the multiplications of the direct engine, which skips rows in the padding, to
  // those of the weight gradient, which has smaller tiles.
  constexpr double saving = 2.5;
  const WinogradPlan plan = winograd_backward_weights(p);
  const WinogradShape& s = plan.s;
  int64_t rows = 0;
  for (int i = 0; i < p.y.h; ++i)
    rows += std::min(p.kernel_h, p.x.h + p.pad_h - i) - std::max(0, p.pad_h - i);
  const int64_t direct = p.x.n * rows * p.y.w * p.kernel_w;
  return s.tiles() >= tiles && int64_t(s.in_c) * s.out_c >= channels &&
         double(direct) >= saving * double(s.tiles() * s.points());
}

}  // namespace alexnet
