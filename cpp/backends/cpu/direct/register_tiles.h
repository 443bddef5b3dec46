// Direct convolution on channel-blocked activations, without im2col.
//
// A block holds kLanes channels of one pixel, which are one vector. The forward tile keeps Q pixels
// of an output row times P vectors of output channels in registers; for each tap it loads P weight
// vectors and broadcasts Q inputs. `Terms` defines the loads, broadcasts and products (terms.h).
// Included once per instruction set.
#pragma once

#include <algorithm>
#include <cstring>

#include "backends/cpu/device/scratch.h"
#include "backends/cpu/direct/shape.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/terms.h"
#include "backends/cpu/vector.h"

namespace alexnet {
namespace {

constexpr int kMaxPixels = kRegisters >= 32 ? 14 : 6;  // Q: P * Q accumulators and P + 1 operands
constexpr int kMaxInner = kRegisters >= 32 ? 12 : 6;   // taps of a weight-gradient tile
constexpr int kPair = 2;                               // P

// Copies a row of one group of one image to a row of padded width, with zeros on both sides.
template <class Terms>
void pack_row(const DirectShape& s, const typename Terms::Value* x, typename Terms::Packed* out) {
  const int64_t row = int64_t(s.packed_width()) * s.inner_x;
  const int64_t left = int64_t(s.pad_left) * s.inner_x;
  const int64_t inside = int64_t(std::min(s.in_w, s.packed_width() - s.pad_left)) * s.inner_x;
  for (int64_t i = 0; i < left; ++i) out[i] = 0.0f;
  for (int64_t i = 0; i < inside; ++i) out[left + i] = x[i];
  for (int64_t i = left + inside; i < row; ++i) out[i] = 0.0f;
}

template <class Terms>
void pack_input(const DirectShape& s, const void* input, void* packed) {
  const auto* x = static_cast<const typename Terms::Value*>(input);
  auto* out = static_cast<typename Terms::Packed*>(packed);
  const int64_t row = int64_t(s.packed_width()) * s.inner_x;
  for (int64_t r = 0; r < int64_t(s.planes_x()) * s.in_h; ++r)
    pack_row<Terms>(s, x + r * s.in_w * s.inner_x, out + r * row);
}

// The same for the weight gradient, which broadcasts `width` pixels at a time.
template <class Terms>
void pack_pixels(const DirectShape& s, const void* input, void* packed) {
  using Pixels = typename Terms::Pixels;
  if constexpr (std::is_same_v<Pixels, typename Terms::Packed>) {
    pack_input<Terms>(s, input, packed);
  } else {
    const auto* x = static_cast<const typename Terms::Value*>(input);
    const int64_t row = int64_t(s.packed_width()) * s.inner_x;
    auto* one = scratch<typename Terms::Packed>(0, size_t(row));
    for (int64_t r = 0; r < int64_t(s.planes_x()) * s.in_h; ++r) {
      pack_row<Terms>(s, x + r * s.in_w * s.inner_x, one);
      Terms::pack_pixels(one, row, s.pixel_step(), static_cast<Pixels*>(packed) + r * row);
    }
  }
}

// Packs the weights (rows, taps) of one group in the order in which a tile reads them:
// [pair][outer][i][terms of j and inner][P * kLanes][width]. With `transposed`, input and output
// channels are swapped and the taps are flipped, as backward_data needs them.
template <class Terms>
void pack_weights(const DirectShape& s, const void* weights, bool transposed, int pair,
                  void* packed) {
  constexpr int width = Terms::width;
  const auto* w = static_cast<const typename Terms::Value*>(weights);
  auto* out = static_cast<typename Terms::Packed*>(packed);
  const int first = pair * kPair * kLanes, count = std::min(kPair * kLanes, s.out_c - first);
  const int area = s.kernel_h * s.kernel_w;
  if (s.packed_taps() != s.taps())
    for (int64_t i = 0; i < s.packed_taps() * count; ++i) out[i] = 0.0f;
  for (int c = 0; c < s.in_c; ++c)
    for (int t = 0; t < area; ++t) {
      const int64_t tap = s.weight_offset(c, t / s.kernel_w, t % s.kernel_w);
      auto* to = out + tap / width * width * count + tap % width;
      for (int o = 0; o < count; ++o)
        to[o * width] = transposed ? w[(int64_t(c) * s.out_c + first + o) * area + area - 1 - t]
                                   : w[(int64_t(first + o) * s.in_c + c) * area + t];
    }
}

// The inverse of pack_weights for gradients with width 1: dw (rows, taps) += packed.
void add_unpacked(const DirectShape& s, const float* packed, int pair, float* dw) {
  const int first = pair * kPair * kLanes, count = std::min(kPair * kLanes, s.out_c - first);
  const int area = s.kernel_h * s.kernel_w;
  for (int c = 0; c < s.in_c; ++c)
    for (int t = 0; t < area; ++t) {
      const float* from = packed + s.weight_offset(c, t / s.kernel_w, t % s.kernel_w) * count;
      for (int o = 0; o < count; ++o) dw[(int64_t(first + o) * s.in_c + c) * area + t] += from[o];
    }
}

// One tile: Q pixels of an output row, P vectors of channels. kStep: number of values from the
// input of one pixel to that of the next; 0: s.pixel_step().
template <class Terms, int Q, int P, int kStep>
void forward_tile(const DirectShape& s, const typename Terms::Packed* x, int first_tap_row,
                  int tap_rows, const typename Terms::Packed* w, const float* bias, bool relu,
                  typename Terms::Value* y, int64_t y_vector) {
  constexpr int vector = Terms::width * kLanes;  // of weights
  const int64_t step = kStep ? kStep : s.pixel_step();
  const int64_t x_row = int64_t(s.packed_width()) * s.inner_x, x_plane = x_row * s.in_h;
  Vec sum[P][Q];
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p) {
    const Vec start = bias ? load(bias + p * kLanes) : Vec{};
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) sum[p][q] = start;
  }
  for (int a = 0; a < s.planes_x(); ++a) {
    for (int i = first_tap_row; i < first_tap_row + tap_rows; ++i) {
      // Planar input: the taps of a row are the inner dimension. Blocked: the channels of a pixel
      // are, followed by those of the next tap. In both cases they are consecutive.
      const int count = s.row_taps() * s.inner_x;
      const auto* row = x + a * x_plane + (i - first_tap_row) * x_row;
      const auto* wr = w + (int64_t(a) * s.kernel_h + i) * count * P * kLanes;
      for (int c = 0; c < count; c += Terms::width, wr += P * vector) {
        decltype(Terms::weights(wr)) weight[P];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) weight[p] = Terms::weights(wr + p * vector);
#pragma GCC unroll 16
        for (int q = 0; q < Q; ++q)
#pragma GCC unroll 2
          for (int p = 0; p < P; ++p)
            sum[p][q] = Terms::add(sum[p][q], weight[p], row + q * step + c);
      }
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int q = 0; q < Q; ++q) {
      const Vec v = sum[p][q];
      store(y + p * y_vector + q * kLanes, relu ? rectify(v) : v);
    }
}

template <class Terms>
using ForwardTile = decltype(&forward_tile<Terms, 1, 1, 0>);

template <class Terms, int P, int kStep, int... Q>
ForwardTile<Terms> pick_tile(int pixels, std::integer_sequence<int, Q...>) {
  static constexpr ForwardTile<Terms> table[] = {&forward_tile<Terms, Q + 1, P, kStep>...};
  return table[pixels - 1];
}

template <class Terms, int P>
ForwardTile<Terms> forward_tile_for(const DirectShape& s, int pixels) {
  constexpr auto sizes = std::make_integer_sequence<int, kMaxPixels>{};
  if (s.pixel_step() == kLanes) return pick_tile<Terms, P, kLanes>(pixels, sizes);
  if (s.pixel_step() == 4) return pick_tile<Terms, P, 4>(pixels, sizes);
  return pick_tile<Terms, P, 0>(pixels, sizes);
}

// Computes rows first_row .. last_row - 1 of one image and group for one pair of output vectors.
// `packed`: from pack_input. `w`: from pack_weights, for the pair. `y`: the group's first vector of
// the image, blocked.
template <class Terms>
void direct_forward(const DirectShape& s, const void* packed, const void* w, const float* bias,
                    bool relu, int pair, int first_row, int last_row, void* y) {
  using Packed = typename Terms::Packed;
  const int vectors = std::min(kPair, s.out_c / kLanes - pair * kPair);
  const int64_t y_vector = int64_t(s.out_h) * s.out_w * kLanes;
  const int tiles = (s.out_w + kMaxPixels - 1) / kMaxPixels;
  auto* out = static_cast<typename Terms::Value*>(y) + pair * kPair * y_vector;
  const float* b = bias ? bias + pair * kPair * kLanes : nullptr;
  for (int p = first_row; p < last_row; ++p) {
    const int top = p * s.stride - s.pad_top;
    const int first = std::min(s.kernel_h, std::max(0, -top));
    const int last = std::max(first, std::min(s.kernel_h, s.in_h - top));
    const auto* row =
        static_cast<const Packed*>(packed) + int64_t(top + first) * s.packed_width() * s.inner_x;
    for (int t = 0; t < tiles; ++t) {
      const int q = t * s.out_w / tiles, pixels = (t + 1) * s.out_w / tiles - q;
      const auto tile = vectors == 2 ? forward_tile_for<Terms, 2>(s, pixels)
                                     : forward_tile_for<Terms, 1>(s, pixels);
      tile(s, row + int64_t(q) * s.pixel_step(), first, last - first, static_cast<const Packed*>(w),
           b, relu, out + (int64_t(p) * s.out_w + q) * kLanes, y_vector);
    }
  }
}

// dw[inner .. inner + N][P vectors] += sum of dy * x over the pixels of `rows` rows, for one tap
// row.
template <class Terms, int N, int P>
void weight_tile(const DirectShape& s, const typename Terms::Pixels* x, int64_t x_row,
                 const typename Terms::Value* dy, int64_t dy_vector, int rows, int pixels,
                 float* dw) {
  constexpr int width = Terms::width;
  const int64_t step = s.pixel_step();
  Vec sum[P][N] = {};
  for (int p = 0; p < rows; ++p) {
    const auto* xr = x + p * x_row;
    const auto* dyr = dy + int64_t(p) * s.out_w * kLanes;
    for (int q = 0; q < pixels; q += width, xr += width * step, dyr += width * kLanes) {
      decltype(Terms::gradients(dyr, 0)) grad[P];
#pragma GCC unroll 2
      for (int v = 0; v < P; ++v) grad[v] = Terms::gradients(dyr + v * dy_vector, pixels - q);
#pragma GCC unroll 16
      for (int c = 0; c < N; ++c)
#pragma GCC unroll 2
        for (int v = 0; v < P; ++v) sum[v][c] = Terms::add_pixels(sum[v][c], grad[v], xr[c]);
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < N; ++c)
#pragma GCC unroll 2
    for (int v = 0; v < P; ++v) {
      float* to = dw + (c * P + v) * kLanes;
      store(to, load(to) + sum[v][c]);
    }
}

template <class Terms>
using WeightTile = decltype(&weight_tile<Terms, 1, 1>);

template <class Terms, int P, int... N>
WeightTile<Terms> pick_weight_tile(int inner, std::integer_sequence<int, N...>) {
  static constexpr WeightTile<Terms> table[] = {&weight_tile<Terms, N + 1, P>...};
  return table[inner - 1];
}

// Adds the contribution of one image and group to the weight gradient of one pair, in the order of
// pack_weights with width 1, and to the bias gradient. `packed`: from pack_pixels. `dy`: the
// group's first vector of the image.
template <class Terms>
void direct_backward_weights(const DirectShape& s, const void* packed, const void* dy, int pair,
                             float* dw, float* db) {
  const int vectors = std::min(kPair, s.out_c / kLanes - pair * kPair);
  const int64_t dy_vector = int64_t(s.out_h) * s.out_w * kLanes;
  const auto* grad = static_cast<const typename Terms::Value*>(dy) + pair * kPair * dy_vector;
  for (int v = 0; v < vectors; ++v) {
    Vec sum = load(db + (pair * kPair + v) * kLanes);
    for (int64_t i = 0; i < dy_vector; i += kLanes) sum += load(grad + v * dy_vector + i);
    store(db + (pair * kPair + v) * kLanes, sum);
  }

  const int64_t x_row = int64_t(s.packed_width()) * s.inner_x, x_plane = x_row * s.in_h;
  // Planar: one run of kernel_w taps. Blocked: one run of kLanes channels per tap.
  const bool planar = s.inner_x == 1;
  const int runs = planar ? 1 : s.kernel_w, run = planar ? s.kernel_w : s.inner_x;
  const int tiles = (run + kMaxInner - 1) / kMaxInner;
  constexpr auto sizes = std::make_integer_sequence<int, kMaxInner>{};
  const int chunk = std::max(1, 160 / s.out_w);  // rows whose dy and x fit into the L1 cache
  for (int p0 = 0; p0 < s.out_h; p0 += chunk) {
    const int p1 = std::min(s.out_h, p0 + chunk);
    for (int a = 0; a < s.planes_x(); ++a)
      for (int i = 0; i < s.kernel_h; ++i) {
        // Rows whose tap i is inside the image.
        const int low = s.pad_top - i, high = s.in_h - 1 + s.pad_top - i;
        const int first = std::max(p0, low <= 0 ? 0 : (low + s.stride - 1) / s.stride);
        const int last = std::min(p1, high < 0 ? 0 : high / s.stride + 1);
        if (first >= last) continue;
        const auto* x = static_cast<const typename Terms::Pixels*>(packed) + a * x_plane +
                        int64_t(first * s.stride + i - s.pad_top) * x_row;
        for (int j = 0; j < runs; ++j)
          for (int t = 0; t < tiles; ++t) {
            const int c = t * run / tiles, n = (t + 1) * run / tiles - c;
            const auto tile = vectors == 2 ? pick_weight_tile<Terms, 2>(n, sizes)
                                           : pick_weight_tile<Terms, 1>(n, sizes);
            const int64_t at = ((int64_t(a) * s.kernel_h + i) * runs + j) * run + c;
            tile(s, x + int64_t(j) * run * int(!planar) + c, s.stride * x_row,
                 grad + int64_t(first) * s.out_w * kLanes, dy_vector, last - first, s.out_w,
                 dw + at * vectors * kLanes);
          }
      }
  }
}

template <class Terms>
constexpr DirectKernels direct_kernels() {
  return {kLanes,
          kPair,
          Terms::width,
          &pack_input<Terms>,
          &pack_pixels<Terms>,
          &pack_weights<Terms>,
          &add_unpacked,
          &direct_forward<Terms>,
          &direct_backward_weights<Terms>};
}

}  // namespace
}  // namespace alexnet
