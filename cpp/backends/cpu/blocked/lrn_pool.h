// Fused LRN and max pooling (ops/lrn_pool.h) in channel blocks. The rows of one group are
// normalised into a ring buffer as high as the window; the pooled rows are computed from it.
// kernels.cpp includes this file once per instruction set.
#pragma once

#include "backends/cpu/blocked/lrn.h"
#include "backends/cpu/blocked/pool.h"
#include "ops/lrn_pool.h"

namespace alexnet {
namespace {

template <int kSize, Stored T>
void lrn_max_pool_forward(const LrnMaxPoolForward<T>& op, ThreadPool& pool) {
  const Shape &in = op.x.shape, &out = op.y.shape;
  const int vectors = op.p.group / kLanes, size = op.window.size;
  const int64_t plane = in.plane() * kLanes;
  each_group<kSize>(in, op.p, pool, [&](const auto& pixel, int64_t block) {
    Vec* ring = scratch<Vec>(1, size_t(size) * size_t(vectors) * size_t(in.w));
    const auto value = [&](int v, int y, int x) -> Vec& {
      return ring[(y % size * vectors + v) * in.w + x];
    };
    const T* first = op.x.data + block * plane;
    for (int y = 0, oy = 0; y < in.h; ++y) {
      for (int x = 0; x < in.w; ++x) {
        const T* at = first + (int64_t(y) * in.w + x) * kLanes;
        pixel.forward([&](int v) { return load(at + v * plane); },
                      [&](int v, Vec normal) { value(v, y, x) = rounded<T>(normal); });
      }
      for (; oy < out.h && op.window.pixels(oy, in.h).last - 1 == y; ++oy)
        for (int v = 0; v < vectors; ++v)
          for (int ox = 0; ox < out.w; ++ox) {
            const Maximum<Vec, Vec> max =
                max_of_window(op.window, in, oy, ox, [&](int i, int j) { return value(v, i, j); });
            const int64_t to = ((block + v) * out.plane() + int64_t(oy) * out.w + ox) * kLanes;
            store(op.y.data + to, max.value);
            store(op.argmax.data + to, max.argmax);
          }
    }
  });
}

template <int kSize, Stored T>
void lrn_max_pool_backward(const LrnMaxPoolBackward<T>& op, ThreadPool& pool) {
  const Shape &in = op.dx.shape, &out = op.dy.shape;
  const int vectors = op.p.group / kLanes;
  const int64_t plane = in.plane() * kLanes;
  each_group<kSize>(in, op.p, pool, [&](const auto& pixel, int64_t block) {
    // The gradient with respect to a row of normalised values.
    Vec* grad = scratch<Vec>(1, size_t(vectors) * size_t(in.w));
    for (int y = 0; y < in.h; ++y) {
      std::fill(grad, grad + vectors * in.w, Vec{});
      for (int oy = op.window.first_over(y); oy < out.h && op.window.begins_by(oy, y); ++oy)
        for (int v = 0; v < vectors; ++v)
          for (int ox = 0; ox < out.w; ++ox) {
            const int64_t from = ((block + v) * out.plane() + int64_t(oy) * out.w + ox) * kLanes;
            const Vec argmax = load(op.argmax.data + from), d = load(op.dy.data + from);
            const Range cols = op.window.pixels(ox, in.w);
            for (int j = cols.first; j < cols.last; ++j)
              grad[v * in.w + j] += max_pool_gradient(d, argmax, position(op.window, oy, ox, y, j));
          }
      for (int x = 0; x < in.w; ++x) {
        const int64_t at = block * plane + (int64_t(y) * in.w + x) * kLanes;
        pixel.backward([&](int v) { return load(op.x.data + at + v * plane); },
                       [&](int v) { return grad[v * in.w + x]; },
                       [&](int v, Vec value) { store(op.dx.data + at + v * plane, value); });
      }
    }
  });
}

template <Stored T>
bool launch_blocked(const LrnMaxPoolForward<T>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  op.p.size == 5 ? lrn_max_pool_forward<5>(op, pool) : lrn_max_pool_forward<0>(op, pool);
  return true;
}

template <Stored T>
bool launch_blocked(const LrnMaxPoolBackward<T>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  op.p.size == 5 ? lrn_max_pool_backward<5>(op, pool) : lrn_max_pool_backward<0>(op, pool);
  return true;
}

}  // namespace
}  // namespace alexnet
