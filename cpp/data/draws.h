// Random draws for training images: their order, crop windows, mirroring and color shifts. All are
// functions of (seed, epoch, position of the image in the epoch), by Philox (core/philox.h).
#pragma once

#include <cstdint>
#include <vector>

#include "core/philox.h"

namespace alexnet {

// A permutation of 0 .. count - 1, sorted by random 64-bit keys, ties by index.
std::vector<int64_t> permutation(const RandomSite& site, uint64_t step, int64_t count);

// Filled by data/augment.py, which documents each field.
struct AugmentSettings {
  int crop_height = 0, crop_width = 0;
  int positions_y = 1, positions_x = 1;  // number of positions of the window's corner
  int first_y = 0, first_x = 0;          // the first of these positions
  bool mirror = false;
  int group = 1;             // number of consecutive images that share a window and mirroring
  std::vector<double> axes;  // (C, C); row i times a normal draw is the shift along component i
  int64_t color_epochs = 0;  // number of epochs with color noise, counted from the first epoch
  float scale = 1, color_scale = 1;  // pixel scale in epochs without and with color noise
};

class ImageDraws {
 public:
  ImageDraws(AugmentSettings settings, int channels, uint64_t seed);

  const AugmentSettings& settings() const { return settings_; }
  int channels() const { return channels_; }
  uint64_t seed() const { return crop_.seed; }
  bool has_color(int64_t epoch) const { return epoch < settings_.color_epochs; }
  float scale(int64_t epoch) const {
    return has_color(epoch) ? settings_.color_scale : settings_.scale;
  }
  // Draws for one image. `offset`: top, left. `shift`: one value per channel; only for epochs with
  // color noise.
  void window(int64_t epoch, int64_t position, int32_t* offset) const;
  uint8_t mirrored(int64_t epoch, int64_t position) const;
  void color(int64_t epoch, int64_t position, float* shift) const;

 private:
  AugmentSettings settings_;
  int channels_;
  RandomSite crop_, mirror_, color_;
};

}  // namespace alexnet
