// Augmentation (ops/augment.h) of images with three channels, a vector of pixels at a time.
// Channels are deinterleaved in registers, so that every byte is read once and every float is
// written once. The result is bitwise equal to that of the op: the same operations on each element.
// Included by kernels.cpp.
#pragma once

#include <algorithm>

#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/vector.h"
#include "ops/augment.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace alexnet {
namespace {

struct Pixels {
  Vec channel[3];
};

// Loads kLanes interleaved pixels (r g b r g b) from p. Reads exactly 3 * kLanes bytes.
inline __attribute__((always_inline)) Pixels deinterleave(const uint8_t* p) {
  // Each 16-byte lane of a register gets four pixels (12 bytes); a byte shuffle then widens one
  // channel to 32 bits (0x80 gives zero).
  Pixels out;
#if defined(__AVX512BW__)
  const __m512i four = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
  const __m512i quads = _mm512_permutexvar_epi32(four, _mm512_maskz_loadu_epi32(0x0FFF, p));
  const __m512i red =
      _mm512_set4_epi32(int(0x80808009), int(0x80808006), int(0x80808003), int(0x80808000));
  for (int c = 0; c < 3; ++c) {
    const __m512i bytes = _mm512_add_epi32(red, _mm512_set1_epi32(c));
    out.channel[c] = Vec(_mm512_cvtepi32_ps(_mm512_shuffle_epi8(quads, bytes)));
  }
#else
  const __m256i loaded = _mm256_maskload_epi32(reinterpret_cast<const int*>(p),
                                               _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, 0, 0));
  const __m256i quads =
      _mm256_permutevar8x32_epi32(loaded, _mm256_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5));
  const __m256i red =
      _mm256_setr_epi32(int(0x80808000), int(0x80808003), int(0x80808006), int(0x80808009),
                        int(0x80808000), int(0x80808003), int(0x80808006), int(0x80808009));
  for (int c = 0; c < 3; ++c) {
    const __m256i bytes = _mm256_add_epi32(red, _mm256_set1_epi32(c));
    out.channel[c] = Vec(_mm256_cvtepi32_ps(_mm256_shuffle_epi8(quads, bytes)));
  }
#endif
  return out;
}

inline __attribute__((always_inline)) Vec reversed(Vec v) {
#if defined(__AVX512BW__)
  const __m512i back = _mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  return Vec(_mm512_permutexvar_ps(back, __m512(v)));
#else
  return Vec(_mm256_permutevar8x32_ps(__m256(v), _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0)));
#endif
}

// Non-temporal store: the data is read much later, and the cache line need not be read to be
// written.
inline __attribute__((always_inline)) void store_past_caches(float* p, Vec v) {
#if defined(__AVX512BW__)
  _mm512_stream_ps(p, __m512(v));
#else
  _mm256_stream_ps(p, __m256(v));
#endif
}

// Rows first_row .. last_row - 1 of image n.
template <bool kMatched, bool kMirrored, bool kPastCaches>
void augment_rows(const Augment<float>& op, int64_t n, int64_t first_row, int64_t last_row) {
  const Shape& s = op.out.shape;
  const int64_t top = op.offsets[2 * n], left = op.offsets[2 * n + 1], plane = s.plane();
  const bool mean = op.mean.data != nullptr;
  const Vec scale = broadcast(op.scale);
  Vec color[3] = {};
  for (int c = 0; c < 3 && op.color.data; ++c) color[c] = broadcast(op.color[3 * n + c]);
  for (int64_t y = first_row; y < last_row; ++y) {
    const uint8_t* in = op.images.data + ((n * op.height + top + y) * op.width + left) * 3;
    const float* matched = op.mean.data + (top + y) * op.width + left;
    const int64_t matched_plane = int64_t(op.height) * op.width;
    const float* centred = op.mean.data + y * s.w;
    float* out = op.out.data + (3 * n * s.h + y) * s.w;
    for (int64_t next = 0; next < s.w; next += kLanes) {
      const int64_t x = std::min<int64_t>(next, s.w - kLanes);  // the last vector may overlap
      const int64_t column = kMirrored ? s.w - kLanes - x : x;
      Pixels pixels = deinterleave(in + 3 * column);
      for (int c = 0; c < 3; ++c) {
        Vec v = pixels.channel[c];
        if (kMatched && mean) v -= load(matched + c * matched_plane + column);
        if (kMirrored) v = reversed(v);
        if (!kMatched && mean) v -= load(centred + c * plane + x);
        v = scale * (v + color[c]);
        if (kPastCaches)
          store_past_caches(out + c * plane + x, v);
        else
          store(out + c * plane + x, v);
      }
    }
  }
  if (kPastCaches) _mm_sfence();
}

template <bool kMatched, bool kMirrored>
void augment_rows(const Augment<float>& op, int64_t n, int64_t first, int64_t last, bool past) {
  if (past)
    augment_rows<kMatched, kMirrored, true>(op, n, first, last);
  else
    augment_rows<kMatched, kMirrored, false>(op, n, first, last);
}

bool launch_special(const Augment<float>& op, ThreadPool& pool) {
  const Shape& s = op.out.shape;
  if (s.c != 3 || s.w < kLanes) return false;
  constexpr int64_t kFewest = 1 << 16;  // floats from which an image bypasses the caches
  const bool past = s.per_image() >= kFewest && s.w % kLanes == 0 &&
                    reinterpret_cast<uintptr_t>(op.out.data) % sizeof(Vec) == 0;
  const int64_t rows = std::max<int64_t>(1, 16384 / s.w), items = (s.h + rows - 1) / rows;
  pool.parallel_for(s.n * items, [&](int64_t item, int) {
    const Augment<float> local = op;
    const int64_t n = item / items, first = item % items * rows;
    const int64_t last = std::min<int64_t>(s.h, first + rows);
    const bool mirrored = local.mirror[n] != 0;
    if (local.mean_matched)
      mirrored ? augment_rows<true, true>(local, n, first, last, past)
               : augment_rows<true, false>(local, n, first, last, past);
    else
      mirrored ? augment_rows<false, true>(local, n, first, last, past)
               : augment_rows<false, false>(local, n, first, last, past);
  });
  return true;
}

}  // namespace
}  // namespace alexnet
#endif
