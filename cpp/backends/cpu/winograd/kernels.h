// Winograd's convolution for each instruction set: winograd_{tiles,weights,products}.h say what
// each function does.
#pragma once

#include "backends/cpu/winograd/shape.h"

namespace alexnet {

// F(tile x tile, kernel x kernel): the transforms. w, x, dy and y are of one type, float or bf16;
// at the points, and in dw, everything is float.
struct WinogradTransforms {
  int tile, kernel;
  int row_groups;  // into which the rows of a tile's points are cut: 2 rows each, or 1 in the last
  void (*weights)(const WinogradShape&, const void* w, bool transposed, int pair, float* u);
  void (*weight_gradient)(const WinogradShape&, const float* du, int slices, int64_t slice,
                          int pair, float* dw);
  void (*input)(const WinogradShape&, const void* x, TileRange tiles, Interval blocks,
                Interval groups, float* v, int64_t point, float* sums);
  void (*gradient)(const WinogradShape&, const void* dy, TileRange tiles, Interval blocks,
                   Interval groups, float* d, int64_t point, float* sums);
  void (*output)(const WinogradShape&, const float* m, TileRange tiles, Interval blocks,
                 const float* bias, bool relu, void* y);
};

struct WinogradKernels {
  WinogradTransforms transforms[4], bf16_transforms[4];
  void (*multiply)(const WinogradShape&, int tiles, Interval pairs, const float* v, const float* u,
                   float* m);
  void (*accumulate)(const WinogradShape&, int tiles, Interval blocks, const float* v,
                     const float* d, bool add, float* du);
};

extern const WinogradKernels winograd_generic, winograd_avx2, winograd_avx512;  // those built

}  // namespace alexnet
