// Images of odd sizes. The sanitizers detect reads and writes outside of them.
#include <vector>

#include "check.h"
#include "images/moments.h"
#include "images/resize.h"

using namespace alexnet;

static std::vector<uint8_t> pattern(int64_t count) {
  std::vector<uint8_t> a(count);
  for (int64_t i = 0; i < count; ++i) a[i] = uint8_t(i * 2654435761u >> 13);
  return a;
}

ANX_TEST(an_image_of_one_color_keeps_it_at_every_size) {
  const RgbSize sizes[] = {{1, 1}, {1, 9}, {7, 1}, {2, 3}, {5, 5}, {31, 64}, {97, 40}, {33, 257}};
  for (const RgbSize from : sizes)
    for (const RgbSize to : sizes) {
      const std::vector<uint8_t> in(size_t(3) * from.height * from.width, 201);
      std::vector<uint8_t> out(size_t(3) * to.height * to.width, 0);
      resize_cover(in.data(), from, out.data(), to);
      bool same = true;
      for (const uint8_t v : out) same &= v == 201;
      ANX_CHECK(same);
    }
}

ANX_TEST(an_image_of_the_right_size_is_unchanged) {
  for (const RgbSize size : {RgbSize{1, 1}, RgbSize{3, 5}, RgbSize{17, 16}}) {
    const std::vector<uint8_t> in = pattern(int64_t(3) * size.height * size.width);
    std::vector<uint8_t> out(in.size(), 0);
    resize_cover(in.data(), size, out.data(), size);
    ANX_CHECK(in == out);
  }
}

ANX_TEST(moments_are_exact_for_every_number_of_channels) {
  for (int channels = 1; channels <= 5; ++channels)
    for (const int64_t pixels : {int64_t(1), int64_t(17), int64_t(5000)}) {
      const int64_t count = pixels == 17 ? 300 : 2;
      const std::vector<uint8_t> in = pattern(count * pixels * channels);
      std::vector<uint64_t> sums(pixels * channels), products(channels * channels);
      add_moments(in.data(), count, pixels, channels, sums.data(), products.data());
      std::vector<uint64_t> want_sums(sums.size()), want(products.size());
      for (int64_t n = 0; n < count; ++n)
        for (int64_t p = 0; p < pixels; ++p)
          for (int c = 0; c < channels; ++c) {
            const uint8_t* pixel = &in[(n * pixels + p) * channels];
            want_sums[p * channels + c] += pixel[c];
            for (int d = 0; d < channels; ++d)
              want[c * channels + d] += uint64_t(pixel[c]) * pixel[d];
          }
      ANX_CHECK(sums == want_sums);
      ANX_CHECK(products == want);
    }
}
