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

// a^-b of each lane.
Vec inverse_power(Vec a, float b) {
  alignas(sizeof(Vec)) float v[kLanes];
  store(v, a);
  if (b == 0.75f) {
    for (float& lane : v) {
      const float root = std::sqrt(lane);
      lane = 1.0f / (root * std::sqrt(root));
    }
  } else {
    for (float& lane : v) lane = std::pow(lane, -b);
  }
  return load(v);
}

// The sum of `size` channels from in[c] on, for each lane's channel c.
Vec window_sum(const float* in, int size) {
  Vec sum = load(in);
  for (int j = 1; j < size; ++j) sum += load(in + j);
  return sum;
}

// Room for one group of channels of one pixel. padded[c .. c + size - 1] is the window of channel c;
// around `inside` it stays zero.
struct Scratch {
  std::vector<float> memory;
  float *padded, *inside, *scale, *own;

  Scratch(int group, int size) : memory(size_t(3 * group + size + kLanes), 0.0f) {
    scale = memory.data();
    own = scale + group;
    padded = own + group;
    inside = padded + size / 2;
  }
};

// One pixel at a time, a group of channels gathered from its blocks: f(offset in the view, position
// in the group, vector index) for its vectors.
template <class F>
void each_vector(const Shape& shape, int group, int64_t pixel, F&& f) {
  const int64_t plane = shape.plane(), groups = shape.c / group;
  const int64_t image = pixel / (plane * groups), rest = pixel % (plane * groups);
  const int64_t g = rest / plane, at = rest % plane;
  const int64_t first = image * shape.c / kLanes + g * group / kLanes;
  for (int v = 0; v < group / kLanes; ++v) f(((first + v) * plane + at) * kLanes, v * kLanes);
}

template <class Pixel>
void each_group_pixel(const Shape& shape, int group, int size, ThreadPool& pool, Pixel&& f) {
  constexpr int64_t chunk = 256;
  const int64_t total = int64_t(shape.n) * (shape.c / group) * shape.plane();
  pool.parallel_for((total + chunk - 1) / chunk, [&](int64_t item, int) {
    Scratch scratch(group, size);
    const int64_t end = std::min(total, (item + 1) * chunk);
    for (int64_t pixel = item * chunk; pixel < end; ++pixel)
      f(pixel, scratch);
  });
}

bool launch_blocked(const LrnForward<float>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  const Shape& shape = op.x.shape;
  each_group_pixel(shape, op.p.group, op.p.size, pool, [&](int64_t pixel, Scratch& scratch) {
    each_vector(shape, op.p.group, pixel, [&](int64_t at, int c) {
      const Vec x = load(op.x.data + at);
      store(scratch.inside + c, x * x);
    });
    each_vector(shape, op.p.group, pixel, [&](int64_t at, int c) {
      const Vec scale = op.p.k + op.p.alpha * window_sum(scratch.padded + c, op.p.size);
      store(op.y.data + at, load(op.x.data + at) * inverse_power(scale, op.p.beta));
    });
  });
  return true;
}

// s is computed again from x, and y from both.
bool launch_blocked(const LrnBackward<float>& op, ThreadPool& pool) {
  if (op.p.group % kLanes != 0) return false;
  const Shape& shape = op.x.shape;
  each_group_pixel(shape, op.p.group, op.p.size, pool, [&](int64_t pixel, Scratch& scratch) {
    each_vector(shape, op.p.group, pixel, [&](int64_t at, int c) {
      const Vec x = load(op.x.data + at);
      store(scratch.inside + c, x * x);
    });
    each_vector(shape, op.p.group, pixel, [&](int64_t, int c) {
      store(scratch.scale + c, op.p.k + op.p.alpha * window_sum(scratch.padded + c, op.p.size));
    });
    each_vector(shape, op.p.group, pixel, [&](int64_t at, int c) {
      const Vec scale = load(scratch.scale + c), power = inverse_power(scale, op.p.beta);
      const Vec own = load(op.dy.data + at) * power;
      store(scratch.own + c, own);
      store(scratch.inside + c, own * load(op.x.data + at) / scale);  // dy * y / s
    });
    each_vector(shape, op.p.group, pixel, [&](int64_t at, int c) {
      const Vec cross = window_sum(scratch.padded + c, op.p.size);
      store(op.dx.data + at, load(scratch.own + c) -
                                 2 * op.p.alpha * op.p.beta * load(op.x.data + at) * cross);
    });
  });
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
Vec window_sum(const Op& op, int64_t plane, Range rows, Range cols, Term&& term) {
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
      const Vec sum = window_sum(op, block * s.plane(), rows, op.p.window().pixels(col, s.w),
                                 [&](int64_t at) {
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
      const Vec cross = window_sum(
          op, block * s.plane(), rows, op.p.window().pixels(col, s.w), [&](int64_t at) {
            return load(op.dy.data + at) * load(op.y.data + at) / load(op.s.data + at);
          });
      const int64_t at = (block * s.plane() + int64_t(row) * s.w + col) * kLanes;
      const Vec own = load(op.dy.data + at) * inverse_power(load(op.s.data + at), op.p.beta);
      store(op.dx.data + at,
            own - 2 * op.p.alpha * op.p.beta * load(op.x.data + at) * cross);
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
      const auto value = [&](int i, int j) { return load(plane + (int64_t(i) * in.w + j) * kLanes); };
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
void each_pool_window(const Window& window, const Shape& in, const Shape& out, int64_t block, F&& f) {
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
    each_pool_window(op.window, in, out, block,
                     [&](Range rows, Range cols, int oy, int ox, int64_t at) {
                       const Vec place = load(op.tap.data + at), grad = load(op.dy.data + at);
                       for (int i = rows.first; i < rows.last; ++i)
                         for (int j = cols.first; j < cols.last; ++j) {
                           const float tap = float((i - op.window.start(oy)) * op.window.size + j -
                                                   op.window.start(ox));
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
      const Vec sum = window_sum(op, block * in.plane(), rows, cols,
                                 [&](int64_t from) { return load(op.x.data + from); });
      store(op.y.data + at,
            sum / float((rows.last - rows.first) * (cols.last - cols.first)));
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
