// One group of a convolution, in the form the Winograd kernels use. backward_data is the same
// convolution with the channels swapped, the taps flipped and the padding mirrored.
#pragma once

#include <cstdint>

namespace alexnet {

struct WinogradShape {
  int images = 0, in_c = 0, in_h = 0, in_w = 0;  // channels of one group
  int out_c = 0, out_h = 0, out_w = 0;
  int pad_top = 0, pad_left = 0;
  int64_t in_image = 0, out_image = 0;  // elements from one image to the next
  int tile = 0, kernel = 0, lanes = 0;  // F(tile x tile, kernel x kernel)

  int side() const { return tile + kernel - 1; }  // side length of an input tile
  int points() const { return side() * side(); }
  int tile_rows() const { return (out_h + tile - 1) / tile; }
  int tile_columns() const { return (out_w + tile - 1) / tile; }
  int64_t tiles() const { return int64_t(images) * tile_rows() * tile_columns(); }
  int in_blocks() const { return in_c / lanes; }
  int out_blocks() const { return out_c / lanes; }
  int pairs() const { return (out_blocks() + 1) / 2; }

  // Floats from the matrix of one point to that of the next. The additional 16 floats prevent
  // matrices whose sizes are powers of 2 from sharing the same few cache sets.
  int64_t weight_point() const { return int64_t(in_c) * out_c + 16; }
  int64_t input_point(int tiles) const { return int64_t(tiles) * in_c + 16; }
  int64_t output_point(int tiles) const { return int64_t(tiles) * out_c + 16; }
};

// A range of tiles, counted row by row over all images of a batch.
struct TileRange {
  int64_t first = 0;
  int count = 0;
};

// first <= i < last
struct Interval {
  int first = 0, last = 0;
};

}  // namespace alexnet
