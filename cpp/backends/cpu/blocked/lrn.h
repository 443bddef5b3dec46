// Response normalisation across channels in channel blocks: the formulas of ops/lrn_formula.h with
// a vector of channels as the value, pixel by pixel. The layer tests compare both layouts with the
// same reference. kernels.cpp includes this file once per instruction set.
#pragma once

#include <algorithm>

#include "backends/cpu/device/scratch.h"
#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/vector.h"
#include "ops/lrn.h"

namespace alexnet {
namespace {

// a^(-1/4) of each lane, for positive a: a first value from the exponent bits (error 3.2 %), then
// three Newton steps y <- y (5 - a y^4) / 4. Error 2e-7. Roots and divisions take longer.
inline __attribute__((always_inline)) Vec inverse_fourth_root(Vec a) {
  typedef int32_t Bits __attribute__((vector_size(sizeof(Vec))));
  Vec y = (Vec)(0x4F586000 - ((Bits)a >> 2));
  for (int step = 0; step < 3; ++step) {
    const Vec square = y * y;
    y *= 1.25f - 0.25f * a * (square * square);
  }
  return y;
}

}  // namespace

template <>
struct Powers<Vec> {
  Vec power, over;

  static inline __attribute__((always_inline)) Powers of(Vec a, float b) {
    if (b == 0.75f) {
      const Vec y = inverse_fourth_root(a), square = y * y;
      return {square * y, square * y * (square * square)};
    }
    alignas(sizeof(Vec)) float v[kLanes];
    store(v, a);
    for (float& lane : v) lane = Powers<float>::of(lane, b).power;
    return {load(v), load(v) / a};
  }
};

namespace {

// Lane i of the result is channel i + D, counted from lane 0 of `at`, which may be in the vector
// before or after it.
template <int D>
inline __attribute__((always_inline)) Vec neighbour(const Vec* at) {
  typedef int32_t Places __attribute__((vector_size(sizeof(Vec))));
  if constexpr (D == 0) {
    return *at;
  } else {
    Places from;
    for (int i = 0; i < kLanes; ++i) from[i] = D < 0 ? kLanes + i + D : i + D;
    return D < 0 ? __builtin_shuffle(at[-1], at[0], from) : __builtin_shuffle(at[0], at[1], from);
  }
}

template <int... D>
inline __attribute__((always_inline)) Vec sum_of_neighbours(const Vec* at,
                                                            std::integer_sequence<int, D...>) {
  constexpr int half = int(sizeof...(D)) / 2;
  Vec sum = {};
  ((sum += neighbour<D - half>(at)), ...);
  return sum;
}

// For each lane, the sum over the `size` channels around it. kSize: size, or 0 if it is only known
// at run time. The group is padded with zeros.
template <int kSize>
inline __attribute__((always_inline)) Vec window_sum(const Vec* at, int size) {
  if constexpr (kSize > 0) {
    return sum_of_neighbours(at, std::make_integer_sequence<int, kSize>{});
  } else {
    const float* from = reinterpret_cast<const float*>(at) - size / 2;
    Vec sum = {};
    for (int j = 0; j < size; ++j) sum += load(from + j);
    return sum;
  }
}

// The channels of one group, for one pixel at a time. x(v) etc. return its vectors.
template <int kSize, Stored T>
class LrnPixel {
 public:
  LrnPixel(const LrnParams<T>& p)
      : p_(p), vectors_(p.group / kLanes), pad_((p.size / 2 + kLanes - 1) / kLanes) {
    const int padded = vectors_ + 2 * pad_;
    Vec* memory = scratch<Vec>(0, size_t(2 * padded + vectors_));
    std::fill(memory, memory + 2 * padded, Vec{});
    terms_ = memory + pad_;
    cross_ = memory + padded + pad_;
    own_ = memory + 2 * padded;
  }

  template <class X, class Y>
  inline __attribute__((always_inline)) void forward(X&& x, Y&& put) const {
    for (int v = 0; v < vectors_; ++v) terms_[v] = x(v) * x(v);
    for (int v = 0; v < vectors_; ++v) put(v, lrn_value(x(v), lrn_powers(p_, scale(v))));
  }

  // Recomputes s from x, and y from both, which takes less time than loading them.
  template <class X, class D, class Y>
  inline __attribute__((always_inline)) void backward(X&& x, D&& dy, Y&& put) const {
    for (int v = 0; v < vectors_; ++v) terms_[v] = x(v) * x(v);
    for (int v = 0; v < vectors_; ++v) {
      const Powers<Vec> powers = lrn_powers(p_, scale(v));
      const Vec grad = dy(v);
      own_[v] = lrn_value(grad, powers);
      cross_[v] = lrn_cross_term(grad, x(v), powers);
    }
    for (int v = 0; v < vectors_; ++v)
      put(v, lrn_slope(p_, x(v), own_[v], window_sum<kSize>(cross_ + v, p_.size)));
  }

 private:
  inline __attribute__((always_inline)) Vec scale(int v) const {
    return lrn_scale(p_, window_sum<kSize>(terms_ + v, p_.size));
  }

  const LrnParams<T> p_;
  int vectors_, pad_;
  Vec *terms_, *cross_, *own_;
};

// Calls f(pixel, block) for each group of each image; `block` is the first block of the group.
template <int kSize, Stored T, class F>
void each_group(const Shape& s, const LrnParams<T>& p, ThreadPool& pool, F&& f) {
  const int groups = s.c / p.group;
  pool.parallel_for(int64_t(s.n) * groups, [&](int64_t item, int) {
    f(LrnPixel<kSize, T>(p), item * (p.group / kLanes));
  });
}

template <int kSize, Stored T>
void lrn_forward(const LrnForward<T>& op, ThreadPool& pool) {
  const int64_t plane = op.x.shape.plane() * kLanes;
  each_group<kSize>(op.x.shape, op.p, pool, [&](const auto& pixel, int64_t block) {
    for (int64_t at = block * plane, end = at + plane; at < end; at += kLanes) {
      const T* x = op.x.data + at;
      T* y = op.y.data + at;
      pixel.forward([&](int v) { return load(x + v * plane); },
                    [&](int v, Vec value) { store(y + v * plane, value); });
    }
  });
}

template <int kSize, Stored T>
void lrn_backward(const LrnBackward<T>& op, ThreadPool& pool) {
  const int64_t plane = op.x.shape.plane() * kLanes;
  each_group<kSize>(op.x.shape, op.p, pool, [&](const auto& pixel, int64_t block) {
    for (int64_t at = block * plane, end = at + plane; at < end; at += kLanes) {
      const T *x = op.x.data + at, *dy = op.dy.data + at;
      T* dx = op.dx.data + at;
      pixel.backward([&](int v) { return load(x + v * plane); },
                     [&](int v) { return load(dy + v * plane); },
                     [&](int v, Vec value) { store(dx + v * plane, value); });
    }
  });
}

template <Stored T>
bool launch_blocked(const LrnForward<T>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  op.p.size == 5 ? lrn_forward<5>(op, pool) : lrn_forward<0>(op, pool);
  return true;
}

template <Stored T>
bool launch_blocked(const LrnBackward<T>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  op.p.size == 5 ? lrn_backward<5>(op, pool) : lrn_backward<0>(op, pool);
  return true;
}

}  // namespace
}  // namespace alexnet
