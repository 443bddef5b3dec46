#include "images/moments.h"

#include <algorithm>

namespace alexnet {
namespace {

constexpr int kLanes = 48;              // a multiple of 1, 2, 3 and 4 channels
constexpr int64_t kPart = 96 * kLanes;  // values of an image that are processed at a time
constexpr int64_t kImages = 256;        // summed in 16 bits: 256 * 255 fits

// Adds the products of the channels of each pixel; `values` interleaved values, whole pixels. Value
// i times value i + lag belongs to channels c = i % kChannels and c + lag; products that reach into
// the next pixel are skipped.
template <int kChannels>
void add_products(const uint8_t* a, int64_t values, uint64_t* products) {
  static_assert(kLanes % kChannels == 0);
  uint32_t lanes[kChannels][kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes + kChannels - 1 <= values; i += kLanes)
    for (int lag = 0; lag < kChannels; ++lag)
      for (int j = 0; j < kLanes; ++j)
        lanes[lag][j] += uint16_t(uint16_t(a[i + j]) * uint16_t(a[i + j + lag]));
  for (; i < values; i += kChannels)
    for (int c = 0; c < kChannels; ++c)
      for (int d = c; d < kChannels; ++d) lanes[d - c][c] += uint32_t(a[i + c]) * a[i + d];
  for (int lag = 0; lag < kChannels; ++lag)
    for (int j = 0; j < kLanes; ++j)
      if (const int c = j % kChannels, d = c + lag; d < kChannels) {
        products[c * kChannels + d] += lanes[lag][j];
        if (lag > 0) products[d * kChannels + c] += lanes[lag][j];
      }
}

template <int kChannels>
void add_all(const uint8_t* images, int64_t count, int64_t values, uint64_t* sums,
             uint64_t* products) {
  for (int64_t first = 0; first < values; first += kPart) {
    const int64_t part = std::min(kPart, values - first);
    for (int64_t some = 0; some < count; some += kImages) {
      uint16_t small[kPart] = {};
      for (int64_t n = some; n < std::min(count, some + kImages); ++n) {
        const uint8_t* a = images + n * values + first;
        for (int64_t i = 0; i < part; ++i) small[i] = uint16_t(small[i] + a[i]);
        add_products<kChannels>(a, part, products);
      }
      for (int64_t i = 0; i < part; ++i) sums[first + i] += small[i];
    }
  }
}

void add_any(const uint8_t* images, int64_t count, int64_t pixels, int channels, uint64_t* sums,
             uint64_t* products) {
  for (int64_t i = 0; i < count * pixels; ++i, images += channels)
    for (int c = 0; c < channels; ++c) {
      sums[i % pixels * channels + c] += images[c];
      for (int d = 0; d < channels; ++d)
        products[c * channels + d] += uint64_t(images[c]) * images[d];
    }
}

}  // namespace

void add_moments(const uint8_t* images, int64_t count, int64_t pixels, int channels, uint64_t* sums,
                 uint64_t* products) {
  switch (channels) {
    case 1:
      return add_all<1>(images, count, pixels, sums, products);
    case 2:
      return add_all<2>(images, count, 2 * pixels, sums, products);
    case 3:
      return add_all<3>(images, count, 3 * pixels, sums, products);
    case 4:
      return add_all<4>(images, count, 4 * pixels, sums, products);
    default:
      return add_any(images, count, pixels, channels, sums, products);
  }
}

}  // namespace alexnet
