// The two-dimensional transforms of activations: from tiles of the input, or of the gradient of the
// output, to values at the points, and from products at the points to tiles of the output.
//
// Transformed tiles are stored as [point][channel block][tile][lane], so that each point is a
// matrix. An input tile starts at (tile_row * M - pad, tile_column * M - pad) and overlaps the next
// one by R - 1.
#pragma once

#include <algorithm>

#include "backends/cpu/vector.h"
#include "backends/cpu/winograd/points.h"
#include "backends/cpu/winograd/shape.h"

namespace alexnet {
namespace {

constexpr int kMaxSide = 8;
template <Stored T>
alignas(64) constexpr T kZeroRow[kMaxSide * kLanes] = {};

// Position of a tile: its image, its first row and column, and the part of it inside the image.
struct TilePlace {
  int64_t image;
  int row, column;
  Interval rows, columns;

  TilePlace(const WinogradShape& s, int64_t index, int pad_top, int pad_left, int size, int height,
            int width) {
    const int column_count = s.tile_columns(), per_image = s.tile_rows() * column_count;
    const int in_image = int(index % per_image);
    image = index / per_image;
    row = in_image / column_count * s.tile - pad_top;
    column = in_image % column_count * s.tile - pad_left;
    rows = {std::max(0, -row), std::min(size, height - row)};
    columns = {std::max(0, -column), std::min(size, width - column)};
  }
};

// Computes the rows of group g at the points of a tile. `row`: the rows of the tile. `out`: the
// first point of the group.
template <class W, int g, bool input, Stored T>
inline void tile_rows(const T* const* row, Interval columns, float* out, int64_t point) {
  constexpr int size = input ? W::side : W::tile, count = W::rows_of(g);
  Vec part[2][size];
#pragma GCC unroll 8
  for (int j = 0; j < size; ++j) {
    Vec two[2] = {};
    if (j >= columns.first && j < columns.last) {
      Vec d[size];
#pragma GCC unroll 8
      for (int i = 0; i < size; ++i) d[i] = load(row[i] + j * kLanes);
      if constexpr (input)
        W::template input_rows<g>(d, two);
      else
        W::template value_rows<g, size>(d, two);
    }
    part[0][j] = two[0];
    part[1][j] = two[1];
  }
#pragma GCC unroll 2
  for (int i = 0; i < count; ++i) {
    Vec all[W::side];
    if constexpr (input)
      W::input(part[i], all);
    else
      W::template values<size>(part[i], all);
#pragma GCC unroll 8
    for (int j = 0; j < W::side; ++j) store(out + (i * W::side + j) * point, all[j]);
  }
}

// Computes the values of the tiles at the rows of points of `groups`, for some channel blocks.
// `data`: the first block of the group in the first image. `out`: the first of these rows and
// blocks. `sums`: each channel's sum over the tiles is added here (the bias gradient); may be null.
template <class W, Stored T, bool input>
void transform_tiles(const WinogradShape& s, const void* data, TileRange tiles, Interval blocks,
                     Interval groups, float* out, int64_t point, float* sums) {
  constexpr int size = input ? W::side : W::tile;
  const int height = input ? s.in_h : s.out_h, width = input ? s.in_w : s.out_w;
  const int64_t plane = int64_t(height) * width * kLanes;
  for (int t = 0; t < tiles.count; ++t) {
    const TilePlace at(s, tiles.first + t, input ? s.pad_top : 0, input ? s.pad_left : 0, size,
                       height, width);
    const T* from = static_cast<const T*>(data) + at.image * (input ? s.in_image : s.out_image);
    for (int b = blocks.first; b < blocks.last; ++b) {
      const T* row[size];
      for (int i = 0; i < size; ++i)
        row[i] = i >= at.rows.first && i < at.rows.last
                     ? from + b * plane + (int64_t(at.row + i) * width + at.column) * kLanes
                     : kZeroRow<T>;
      for (int i = at.rows.first; i < at.rows.last; ++i)  // prefetch the rows of the next block
#pragma GCC unroll 8
        for (int j = 0; j < size; ++j) __builtin_prefetch(row[i] + plane + j * kLanes, 0, 3);
      float* to = out + (int64_t(b - blocks.first) * tiles.count + t) * kLanes;
      W::each_group([&](auto g) {
        if (g >= groups.first && g < groups.last)
          tile_rows<W, g, input>(row, at.columns, to + 2 * (g - groups.first) * W::side * point,
                                 point);
      });
      if (sums) {
        Vec sum = {};
        for (int i = 0; i < size; ++i)
          for (int j = at.columns.first; j < at.columns.last; ++j) sum += load(row[i] + j * kLanes);
        store(sums + b * kLanes, load(sums + b * kLanes) + sum);
      }
    }
  }
}

// From products at the points to the output: y = A^T m A + bias, or max(0, A^T m A + bias) with
// `relu`.
template <class W, Stored T>
void output_tiles(const WinogradShape& s, const float* m, TileRange tiles, Interval blocks,
                  const float* bias, bool relu, void* y) {
  constexpr int size = W::tile, side = W::side;
  const int64_t plane = int64_t(s.out_h) * s.out_w * kLanes, point = s.output_point(tiles.count);
  for (int t = 0; t < tiles.count; ++t) {
    const TilePlace at(s, tiles.first + t, 0, 0, size, s.out_h, s.out_w);
    for (int b = blocks.first; b < blocks.last; ++b) {
      const float* from = m + (int64_t(b) * tiles.count + t) * kLanes;
      Vec part[size][side];
      for (int j = 0; j < side; ++j) {
        Vec column[side], sums[size];
#pragma GCC unroll 8
        for (int i = 0; i < side; ++i) column[i] = load(from + (i * side + j) * point);
        W::template moments<size>(column, sums);
#pragma GCC unroll 8
        for (int i = 0; i < size; ++i) part[i][j] = sums[i];
      }
      const Vec start = bias ? load(bias + b * kLanes) : Vec{};
      T* to = static_cast<T*>(y) + at.image * s.out_image + b * plane +
              (int64_t(at.row) * s.out_w + at.column) * kLanes;
      for (int i = 0; i < at.rows.last; ++i, to += int64_t(s.out_w) * kLanes) {
        Vec row[size];
        W::template moments<size>(part[i], row);
#pragma GCC unroll 8
        for (int j = 0; j < size; ++j) {
          if (j >= at.columns.last) break;
          const Vec v = row[j] + start;
          store(to + j * kLanes, relu ? rectify(v) : v);
        }
      }
    }
  }
}

}  // namespace
}  // namespace alexnet
