// Compiled without fused multiply-adds (cpp/CMakeLists.txt): they round differently from separate
// operations, and not every processor has them.
#include "images/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/errors.h"

namespace alexnet {
namespace {

constexpr int kChannels = 3;
constexpr int kLanes = 4;   // of the vectors below: one pixel and one value of the next pixel
constexpr int kBlock = 16;  // values written by one store of the second pass
constexpr int kSpare = 16;  // elements after a row that vectors may read or write

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t IntVec __attribute__((vector_size(kLanes * sizeof(int32_t))));
typedef float UnalignedVec
    __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
Vec clip(Vec v) {
  const Vec low = {}, high = low + 255.0f;
  v = v < low ? low : v;
  return v > high ? high : v;
}

double triangle(double t) { return std::max(0.0, 1.0 - std::abs(t)); }
double cubic(double t) {
  t = std::abs(t);
  if (t >= 2) return 0;
  return t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2;
}

// The input pixels that contribute to each output pixel along one axis, and their weights. All
// windows have the same length: shorter ones are padded with zero weights, inside the input.
struct Axis {
  int taps = 0;            // length of a window
  int begin = 0, end = 0;  // all windows lie in begin .. end - 1
  std::vector<int> first;
  std::vector<float> weights;  // each repeated kLanes times

  Axis(int in, int out, double scale) : first(out) {
    const bool down = scale > 1;
    const double stretch = std::max(scale, 1.0), support = (down ? 1 : 2) * stretch;
    const double margin = (in - scale * out) / 2;
    const auto centre = [&](int x) { return margin + (x + 0.5) * scale; };
    const auto low = [&](int x) { return std::max(0, int(std::ceil(centre(x) - support - 0.5))); };
    const auto high = [&](int x) { return std::min(in, int(centre(x) + support + 0.5)); };
    for (int x = 0; x < out; ++x) taps = std::max(taps, high(x) - low(x));
    weights.resize(size_t(out) * taps * kLanes);
    std::vector<double> window(taps);
    for (int x = 0; x < out; ++x) {
      first[x] = std::min(low(x), in - taps);
      double sum = 0;
      for (int k = 0; k < taps; ++k) {
        const double t = (first[x] + k + 0.5 - centre(x)) / stretch;
        sum += window[k] = down ? triangle(t) : cubic(t);
      }
      for (int k = 0; k < taps; ++k)
        std::fill_n(&weights[(size_t(x) * taps + k) * kLanes], kLanes, float(window[k] / sum));
    }
    begin = *std::min_element(first.begin(), first.end());
    end = *std::max_element(first.begin(), first.end()) + taps;
  }
};

// Scales one row of the input to the width of the output. `in` starts at pixel axis.begin.
template <int kTaps>
void scale_row(const float* in, const Axis& axis, bool clipped, float* out) {
  const int taps = kTaps ? kTaps : axis.taps;
  const float* w = axis.weights.data();
  for (const int first : axis.first) {
    const float* window = in + kChannels * (first - axis.begin);
    Vec sum = {};
    for (int k = 0; k < taps; ++k)
      sum += load(window + kChannels * k) * load(w + ptrdiff_t(kLanes) * k);
    w += ptrdiff_t(kLanes) * taps;
    store(out, clipped ? clip(sum) : sum);
    out += kChannels;
  }
}

// Computes one row of the output from scaled rows. Writes whole blocks: up to kBlock - 1 bytes past
// the end.
template <int kTaps>
void blend_rows(const float* const* rows, const float* w, int taps, int count, uint8_t* out) {
  constexpr int vectors = kBlock / kLanes;
  const int n = kTaps ? kTaps : taps;
  for (int i = 0; i < count; i += kBlock) {
    Vec sum[vectors];
    for (Vec& s : sum) s = Vec{} + 0.5f;
    for (int k = 0; k < n; ++k)
      for (int v = 0; v < vectors; ++v)
        sum[v] += load(rows[k] + i + kLanes * v) * load(w + ptrdiff_t(kLanes) * k);
    int32_t whole[kBlock];
    for (int v = 0; v < vectors; ++v) {
      const IntVec truncated = __builtin_convertvector(clip(sum[v]), IntVec);
      std::memcpy(whole + kLanes * v, &truncated, sizeof truncated);
    }
    for (int j = 0; j < kBlock; ++j) out[i + j] = uint8_t(whole[j]);
  }
}

// Calls f with the number of taps as a template argument for common numbers, otherwise with 0.
template <class F>
void with_taps(int taps, F&& f) {
  switch (taps) {
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    case 5:
      return f.template operator()<5>();
    default:
      return f.template operator()<0>();
  }
}

}  // namespace

void resize_cover(const uint8_t* in, RgbSize in_size, uint8_t* out, RgbSize out_size) {
  require<ShapeError>(
      in_size.height > 0 && in_size.width > 0 && out_size.height > 0 && out_size.width > 0,
      "an image of {}x{} pixels cannot be resized to {}x{}: all sizes must be at least 1",
      in_size.height, in_size.width, out_size.height, out_size.width);
  const double scale =
      std::min(double(in_size.width) / out_size.width, double(in_size.height) / out_size.height);
  const Axis across(in_size.width, out_size.width, scale);
  const Axis down(in_size.height, out_size.height, scale);
  const int in_values = kChannels * (across.end - across.begin);
  const int out_values = kChannels * out_size.width;
  const int stride = out_values + kSpare;
  std::vector<float> line(in_values + kSpare);
  std::vector<float> kept(size_t(down.taps) * stride);  // scaled rows for one output row, a ring
  std::vector<const float*> rows(down.taps);
  std::vector<uint8_t> finished(out_values + kBlock);
  const auto row_of = [&](int y) { return &kept[size_t(y % down.taps) * stride]; };

  int next = down.begin;
  for (int y = 0; y < out_size.height; ++y) {
    for (; next < down.first[y] + down.taps; ++next) {
      const uint8_t* pixels = in + kChannels * (int64_t(next) * in_size.width + across.begin);
      for (int i = 0; i < in_values; ++i) line[i] = pixels[i];
      // The cubic overshoots at edges: its values are clipped to 0..255.
      with_taps(across.taps,
                [&]<int kTaps>() { scale_row<kTaps>(&line[0], across, scale < 1, row_of(next)); });
    }
    for (int k = 0; k < down.taps; ++k) rows[k] = row_of(down.first[y] + k);
    const float* w = &down.weights[size_t(y) * down.taps * kLanes];
    with_taps(down.taps, [&]<int kTaps>() {
      blend_rows<kTaps>(&rows[0], w, down.taps, out_values, &finished[0]);
    });
    std::memcpy(out + int64_t(y) * out_values, &finished[0], out_values);
  }
}

}  // namespace alexnet
