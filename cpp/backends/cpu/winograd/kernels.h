// The kernels of Winograd's convolution for each instruction set. tiles.h, weights.h and products.h
// document each function.
#pragma once

#include "backends/cpu/winograd/shape.h"

namespace alexnet {

// The transforms of F(tile x tile, kernel x kernel). w, x, dy and y have the same type, float or
// bf16; values at the points and dw are float.
struct WinogradTransforms {
  int tile, kernel;
  int row_groups;  // number of groups of rows of points: 2 rows each, the last may have 1
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

extern const WinogradKernels winograd_generic, winograd_avx2, winograd_avx512;

}  // namespace alexnet
