// Normalisation and pooling on channel-blocked activations: the formulas of ops/lrn.h,
// ops/lrn_within.h and ops/pooling.h with a vector of channels as the element. The layer tests
// compare both layouts with the same reference. Included by kernels.cpp, once per instruction set.
#pragma once

#include <vector>

#include "backends/cpu/thread_pool.h"
#include "backends/cpu/vector.h"
#include "ops/all_ops.h"

namespace alexnet {
namespace {

// The blocks (image, kLanes channels) of a view.
int64_t blocks_of(const Shape& s) { return int64_t(s.n) * s.c / kLanes; }

// a^(-1/4) of each lane, for positive numbers: a guess from the bits of the exponent, within 3.2 %,
// then Newton's y <- y (5 - a y^4) / 4, three times. Within 2e-7; roots and divisions take longer.
inline __attribute__((always_inline)) Vec inverse_fourth_root(Vec a) {
  typedef int32_t Bits __attribute__((vector_size(sizeof(Vec))));
  Vec y = (Vec)(0x4F586000 - ((Bits)a >> 2));
  for (int step = 0; step < 3; ++step) {
    const Vec square = y * y;
    y *= 1.25f - 0.25f * a * (square * square);
  }
  return y;
}

// a^-b of each lane.
inline __attribute__((always_inline)) Vec inverse_power(Vec a, float b) {
  if (b == 0.75f) {
    const Vec y = inverse_fourth_root(a);
    return y * y * y;
  }
  alignas(sizeof(Vec)) float v[kLanes];
  store(v, a);
  for (float& lane : v) lane = std::pow(lane, -b);
  return load(v);
}

// The sum of `size` channels from in[c] on, for each lane's channel c. kSize: size, or 0 where it
// is known at run time only.
template <int kSize>
Vec window_sum(const float* in, int size) {
  Vec sum = load(in);
  for (int j = 1; j < (kSize ? kSize : size); ++j) sum += load(in + j);
  return sum;
}

// One row of pixels of one group of channels, gathered from its blocks so that the channels of a
// pixel are consecutive, with zeros around them.
struct GroupRow {
  int64_t first, plane;  // the group's first vector of the row's first pixel; vectors of a plane
  int width, vectors, half;  // pixels; vectors of channels; channels of padding
  int64_t stride;            // floats from one pixel to the next in the gathered arrays
  float *terms, *own;        // terms: padded; own: one value for each channel

  int64_t at(int v, int x) const { return (first + v * plane + x) * kLanes; }
  // Where the window of the vector's first channel begins.
  float* window(int v, int x) const { return terms + x * stride + v * kLanes; }
  float* inside(int v, int x) const { return window(v, x) + half; }
  float* own_at(int v, int x) const { return own + x * stride + v * kLanes; }

  template <class F>
  void each(F&& f) const {
    for (int v = 0; v < vectors; ++v)
      for (int x = 0; x < width; ++x) f(v, x);
  }
};

template <class F>
void each_group_row(const Shape& s, int group, int size, ThreadPool& pool, F&& f) {
  const int groups = s.c / group;
  const int64_t stride = group + size + kLanes;
  pool.parallel_for(int64_t(s.n) * groups, [&](int64_t item, int) {
    std::vector<float> memory(size_t(2 * s.w * stride), 0.0f);
    for (int y = 0; y < s.h; ++y)
      f(GroupRow{item * (group / kLanes) * s.plane() + int64_t(y) * s.w, s.plane(), s.w,
                 group / kLanes, size / 2, stride, memory.data(), memory.data() + s.w * stride});
  });
}

template <int kSize>
void lrn_forward(const LrnForward<float>& op, ThreadPool& pool) {
  each_group_row(op.x.shape, op.p.group, op.p.size, pool, [&](const GroupRow& row) {
    row.each([&](int v, int x) {
      const Vec value = load(op.x.data + row.at(v, x));
      store(row.inside(v, x), value * value);
    });
    row.each([&](int v, int x) {
      const Vec scale = op.p.k + op.p.alpha * window_sum<kSize>(row.window(v, x), op.p.size);
      const int64_t at = row.at(v, x);
      store(op.y.data + at, load(op.x.data + at) * inverse_power(scale, op.p.beta));
    });
  });
}

// s is computed again from x, and y from both.
template <int kSize>
void lrn_backward(const LrnBackward<float>& op, ThreadPool& pool) {
  each_group_row(op.x.shape, op.p.group, op.p.size, pool, [&](const GroupRow& row) {
    row.each([&](int v, int x) {
      const Vec value = load(op.x.data + row.at(v, x));
      store(row.inside(v, x), value * value);
    });
    row.each([&](int v, int x) {
      const Vec scale = op.p.k + op.p.alpha * window_sum<kSize>(row.window(v, x), op.p.size);
      store(row.own_at(v, x), scale);
    });
    row.each([&](int v, int x) {
      const Vec scale = load(row.own_at(v, x));
      const int64_t at = row.at(v, x);
      const Vec own = load(op.dy.data + at) * inverse_power(scale, op.p.beta);
      store(row.own_at(v, x), own);
      store(row.inside(v, x), own * load(op.x.data + at) / scale);  // dy * y / s
    });
    row.each([&](int v, int x) {
      const Vec cross = window_sum<kSize>(row.window(v, x), op.p.size);
      const int64_t at = row.at(v, x);
      store(op.dx.data + at,
            load(row.own_at(v, x)) - 2 * op.p.alpha * op.p.beta * load(op.x.data + at) * cross);
    });
  });
}

bool launch_blocked(const LrnForward<float>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  op.p.size == 5 ? lrn_forward<5>(op, pool) : lrn_forward<0>(op, pool);
  return true;
}

bool launch_blocked(const LrnBackward<float>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  op.p.size == 5 ? lrn_backward<5>(op, pool) : lrn_backward<0>(op, pool);
  return true;
}

// f(block, row) for every row of every block.
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

bool launch_blocked(const LrnWithinForward<float>& op, ThreadPool& pool) {
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
      const Vec scale = op.p.k + op.p.alpha * sum;
      store(op.s.data + at, scale);
      store(op.y.data + at, load(op.x.data + at) * inverse_power(scale, op.p.beta));
    }
  });
  return true;
}

bool launch_blocked(const LrnWithinBackward<float>& op, ThreadPool& pool) {
  const Shape& s = op.x.shape;
  each_block_row(blocks_of(s), s.h, pool, [&](int64_t block, int row) {
    const Range rows = op.p.window().pixels(row, s.h);
    for (int col = 0; col < s.w; ++col) {
      const Vec cross =
          spatial_sum(op, block * s.plane(), rows, op.p.window().pixels(col, s.w), [&](int64_t at) {
            return load(op.dy.data + at) * load(op.y.data + at) / load(op.s.data + at);
          });
      const int64_t at = (block * s.plane() + int64_t(row) * s.w + col) * kLanes;
      const Vec own = load(op.dy.data + at) * inverse_power(load(op.s.data + at), op.p.beta);
      store(op.dx.data + at, own - 2 * op.p.alpha * op.p.beta * load(op.x.data + at) * cross);
    }
  });
  return true;
}

bool launch_blocked(const MaxPoolForward<float>& op, ThreadPool& pool) {
  const Shape &in = op.x.shape, &out = op.y.shape;
  each_block_row(blocks_of(out), out.h, pool, [&](int64_t block, int oy) {
    const Range rows = op.window.pixels(oy, in.h);
    for (int ox = 0; ox < out.w; ++ox) {
      const Range cols = op.window.pixels(ox, in.w);
      const float* plane = op.x.data + block * in.plane() * kLanes;
      const auto value = [&](int i, int j) {
        return load(plane + (int64_t(i) * in.w + j) * kLanes);
      };
      const auto place_of = [&](int i, int j) {
        return broadcast(
            float((i - op.window.start(oy)) * op.window.size + j - op.window.start(ox)));
      };
      Vec best = value(rows.first, cols.first), place = place_of(rows.first, cols.first);
      for (int i = rows.first; i < rows.last; ++i)
        for (int j = cols.first; j < cols.last; ++j) {
          const Vec v = value(i, j);
          const auto take = (v > best) | (v != v);
          best = take ? v : best;
          place = take ? place_of(i, j) : place;
        }
      const int64_t at = (block * out.plane() + int64_t(oy) * out.w + ox) * kLanes;
      store(op.y.data + at, best);
      store(op.tap.data + at, place);
    }
  });
  return true;
}

// f(window's rows, columns, offset of its output) for each window of a block, in order.
template <class F>
void each_pool_window(const Window& window, const Shape& in, const Shape& out, int64_t block,
                      F&& f) {
  for (int oy = 0; oy < out.h; ++oy)
    for (int ox = 0; ox < out.w; ++ox)
      f(window.pixels(oy, in.h), window.pixels(ox, in.w), oy, ox,
        (block * out.plane() + int64_t(oy) * out.w + ox) * kLanes);
}

bool launch_blocked(const MaxPoolBackward<float>& op, ThreadPool& pool) {
  const Shape &in = op.dx.shape, &out = op.dy.shape;
  pool.parallel_for(blocks_of(in), [&](int64_t block, int) {
    float* dx = op.dx.data + block * in.plane() * kLanes;
    std::fill(dx, dx + in.plane() * kLanes, 0.0f);
    each_pool_window(
        op.window, in, out, block, [&](Range rows, Range cols, int oy, int ox, int64_t at) {
          const Vec place = load(op.tap.data + at), grad = load(op.dy.data + at);
          for (int i = rows.first; i < rows.last; ++i)
            for (int j = cols.first; j < cols.last; ++j) {
              const float tap =
                  float((i - op.window.start(oy)) * op.window.size + j - op.window.start(ox));
              float* to = dx + (int64_t(i) * in.w + j) * kLanes;
              store(to, load(to) + (place == broadcast(tap) ? grad : Vec{}));
            }
        });
  });
  return true;
}

bool launch_blocked(const AvgPoolForward<float>& op, ThreadPool& pool) {
  const Shape &in = op.x.shape, &out = op.y.shape;
  pool.parallel_for(blocks_of(in), [&](int64_t block, int) {
    each_pool_window(op.window, in, out, block, [&](Range rows, Range cols, int, int, int64_t at) {
      const Vec sum = spatial_sum(op, block * in.plane(), rows, cols,
                                  [&](int64_t from) { return load(op.x.data + from); });
      store(op.y.data + at, sum / float((rows.last - rows.first) * (cols.last - cols.first)));
    });
  });
  return true;
}

bool launch_blocked(const AvgPoolBackward<float>& op, ThreadPool& pool) {
  const Shape &in = op.dx.shape, &out = op.dy.shape;
  pool.parallel_for(blocks_of(in), [&](int64_t block, int) {
    float* dx = op.dx.data + block * in.plane() * kLanes;
    std::fill(dx, dx + in.plane() * kLanes, 0.0f);
    each_pool_window(op.window, in, out, block, [&](Range rows, Range cols, int, int, int64_t at) {
      const Vec share =
          load(op.dy.data + at) / float((rows.last - rows.first) * (cols.last - cols.first));
      for (int i = rows.first; i < rows.last; ++i)
        for (int j = cols.first; j < cols.last; ++j) {
          float* to = dx + (int64_t(i) * in.w + j) * kLanes;
          store(to, load(to) + share);
        }
    });
  });
  return true;
}

}  // namespace
}  // namespace alexnet
