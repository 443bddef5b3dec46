// Normalisation within maps and pooling in channel blocks: the formulas of ops/lrn_formula.h,
// ops/max_pool.h and ops/avg_pool.h with a vector of channels as the value. The layer tests compare
// both layouts with the same reference. kernels.cpp includes this file once per instruction set.
#pragma once

#include "backends/cpu/blocked/lrn.h"
#include "backends/cpu/blocked/pool.h"
#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/vector.h"
#include "ops/all_ops.h"

namespace alexnet {
namespace {

// The blocks (image, kLanes channels) of a view.
int64_t blocks_of(const Shape& s) { return int64_t(s.n) * s.c / kLanes; }

// Calls f(block, row) for every row of every block.
template <class F>
void each_block_row(int64_t blocks, int rows, ThreadPool& pool, F&& f) {
  pool.parallel_for(blocks, [&](int64_t block, int) {
    for (int row = 0; row < rows; ++row) f(block, row);
  });
}

template <class Op, class Term>
Vec spatial_sum(const Op& op, int64_t plane, Range rows, Range cols, Term&& term) {
  Vec sum = {};
  for (int i = rows.first; i < rows.last; ++i)
    for (int j = cols.first; j < cols.last; ++j)
      sum += term((plane + int64_t(i) * op.x.shape.w + j) * kLanes);
  return sum;
}

template <Stored T>
bool launch_blocked(const LrnWithinForward<T>& op, ThreadPool& pool) {
  const Shape& s = op.x.shape;
  each_block_row(blocks_of(s), s.h, pool, [&](int64_t block, int row) {
    const Range rows = op.p.window().pixels(row, s.h);
    for (int col = 0; col < s.w; ++col) {
      const Vec sum =
          spatial_sum(op, block * s.plane(), rows, op.p.window().pixels(col, s.w), [&](int64_t at) {
            const Vec x = load(op.x.data + at);
            return x * x;
          });
      const int64_t at = (block * s.plane() + int64_t(row) * s.w + col) * kLanes;
      const Vec scale = lrn_scale(op.p, sum);
      store(op.s.data + at, scale);
      store(op.y.data + at, lrn_value(load(op.x.data + at), lrn_powers(op.p, scale)));
    }
  });
  return true;
}

template <Stored T>
bool launch_blocked(const LrnWithinBackward<T>& op, ThreadPool& pool) {
  const Shape& s = op.x.shape;
  each_block_row(blocks_of(s), s.h, pool, [&](int64_t block, int row) {
    const Range rows = op.p.window().pixels(row, s.h);
    for (int col = 0; col < s.w; ++col) {
      const Vec cross =
          spatial_sum(op, block * s.plane(), rows, op.p.window().pixels(col, s.w), [&](int64_t at) {
            return lrn_cross_term(load(op.dy.data + at), load(op.y.data + at),
                                  load(op.s.data + at));
          });
      const int64_t at = (block * s.plane() + int64_t(row) * s.w + col) * kLanes;
      const Vec own = lrn_value(load(op.dy.data + at), lrn_powers(op.p, load(op.s.data + at)));
      store(op.dx.data + at, lrn_slope(op.p, load(op.x.data + at), own, cross));
    }
  });
  return true;
}

template <Stored T>
bool launch_blocked(const MaxPoolForward<T>& op, ThreadPool& pool) {
  const Shape &in = op.x.shape, &out = op.y.shape;
  each_block_row(blocks_of(out), out.h, pool, [&](int64_t block, int oy) {
    const T* plane = op.x.data + block * in.plane() * kLanes;
    for (int ox = 0; ox < out.w; ++ox) {
      Maximum<Vec, Vec> max = max_of_window(op.window, in, oy, ox, [&](int i, int j) {
        return load(plane + (int64_t(i) * in.w + j) * kLanes);
      });
      if (op.relu) {
        max.drop_unless_positive();
        max.value = rectify(max.value);
      }
      const int64_t at = (block * out.plane() + int64_t(oy) * out.w + ox) * kLanes;
      store(op.y.data + at, max.value);
      store(op.argmax.data + at, max.argmax);
    }
  });
  return true;
}

// Calls f(rows, columns, offset of the output) for each window of a block, in order.
template <class F>
void each_pool_window(const Window& window, const Shape& in, const Shape& out, int64_t block,
                      F&& f) {
  for (int oy = 0; oy < out.h; ++oy)
    for (int ox = 0; ox < out.w; ++ox)
      f(window.pixels(oy, in.h), window.pixels(ox, in.w), oy, ox,
        (block * out.plane() + int64_t(oy) * out.w + ox) * kLanes);
}

// sum(to) adds to a float buffer that is initially 0, which is then stored in dx, a block's plane,
// with one rounding.
template <Stored T, class F>
void sum_plane(T* dx, const Shape& in, F&& sum) {
  const int64_t count = in.plane() * kLanes;
  float* to;
  if constexpr (std::is_same_v<T, float>)
    to = dx;
  else
    to = scratch<float>(0, size_t(count));
  std::fill(to, to + count, 0.0f);
  sum(to);
  if constexpr (!std::is_same_v<T, float>)
    for (int64_t i = 0; i < count; i += kLanes) store(dx + i, load(to + i));
}

template <Stored T>
bool launch_blocked(const MaxPoolBackward<T>& op, ThreadPool& pool) {
  const Shape &in = op.dx.shape, &out = op.dy.shape;
  pool.parallel_for(blocks_of(in), [&](int64_t block, int) {
    sum_plane(op.dx.data + block * in.plane() * kLanes, in, [&](float* sums) {
      each_pool_window(
          op.window, in, out, block, [&](Range rows, Range cols, int oy, int ox, int64_t from) {
            const Vec argmax = load(op.argmax.data + from), grad = load(op.dy.data + from);
            for (int i = rows.first; i < rows.last; ++i)
              for (int j = cols.first; j < cols.last; ++j) {
                const Vec at = position(op.window, oy, ox, i, j);
                float* to = sums + (int64_t(i) * in.w + j) * kLanes;
                store(to, load(to) + max_pool_gradient(grad, argmax, at));
              }
          });
    });
  });
  return true;
}

template <Stored T>
bool launch_blocked(const AvgPoolForward<T>& op, ThreadPool& pool) {
  const Shape &in = op.x.shape, &out = op.y.shape;
  pool.parallel_for(blocks_of(in), [&](int64_t block, int) {
    each_pool_window(op.window, in, out, block, [&](Range rows, Range cols, int, int, int64_t at) {
      const Vec sum = spatial_sum(op, block * in.plane(), rows, cols,
                                  [&](int64_t from) { return load(op.x.data + from); });
      store(op.y.data + at, per_pixel(sum, rows, cols));
    });
  });
  return true;
}

template <Stored T>
bool launch_blocked(const AvgPoolBackward<T>& op, ThreadPool& pool) {
  const Shape &in = op.dx.shape, &out = op.dy.shape;
  pool.parallel_for(blocks_of(in), [&](int64_t block, int) {
    sum_plane(op.dx.data + block * in.plane() * kLanes, in, [&](float* sums) {
      each_pool_window(op.window, in, out, block,
                       [&](Range rows, Range cols, int, int, int64_t at) {
                         const Vec share = per_pixel(load(op.dy.data + at), rows, cols);
                         for (int i = rows.first; i < rows.last; ++i)
                           for (int j = cols.first; j < cols.last; ++j) {
                             float* to = sums + (int64_t(i) * in.w + j) * kLanes;
                             store(to, load(to) + share);
                           }
                       });
    });
  });
  return true;
}

}  // namespace
}  // namespace alexnet
