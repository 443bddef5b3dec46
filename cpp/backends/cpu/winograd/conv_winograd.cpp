// The order of the sums of an output does not depend on how the work is cut, so forward and
// backward_data cut it to suit the threads: into (group, chunk of tiles) or, if that gives fewer
// items than threads, each step of a chunk into blocks and points. The weight gradient is summed
// over slices of the tiles, whose number depends only on the shape, then over the slices.
#include "backends/cpu/winograd/conv_winograd.h"

#include <algorithm>

#include "backends/cpu/device/cpu_stream.h"
#include "backends/cpu/winograd/plan.h"
#include "core/tensor.h"

namespace alexnet {
namespace {

// Tiles per chunk, two register tiles: the values of a chunk at all points are about as large as
// the L2 cache of a core, while the weights, about as large as the L3 cache, are read once per
// chunk.
constexpr int kChunk = 28;
// Larger for the weight gradient, which processes half of the points at a time.
constexpr int kGradientChunk = 42;
// Slices of the tiles: few, since each slice needs its own sums, as many as weights at all points.
constexpr int64_t kMaxSlices = 8, kSliceTiles = 4 * kGradientChunk, kSliceFloats = 12 << 20;

int64_t floats_aligned(int64_t n) { return (n + 15) / 16 * 16; }
int64_t blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }

// T: type of activations and weights.
template <class T>
class ConvWinograd final : public ConvEngine {
 public:
  ConvWinograd(CpuDevice& device, const ConvProblem& p)
      : p_(p),
        device_(device),
        forward_(winograd_forward(p)),
        backward_(winograd_backward_data(p)),
        gradient_(winograd_backward_weights(p)),
        threads_(device.threads()) {
    const int64_t room = kSliceFloats / (p.groups * gradient_.weight_floats());
    const int64_t enough = std::min(gradient_.s.tiles() / kSliceTiles, kMaxSlices);
    slices_ = int(std::clamp<int64_t>(enough, 1, std::max<int64_t>(room, 2)));
  }

  const char* name() const override { return "winograd"; }
  int output_block() const override { return p_.block; }

  size_t workspace_bytes() const override {
    const auto convolution = [&](const WinogradPlan& plan) {
      return p_.groups * plan.weight_floats() + threads_ * scratch(plan);
    };
    const int64_t gradient = slices_ * slice_floats() + threads_ * gradient_scratch();
    return size_t(std::max({convolution(forward_), convolution(backward_), gradient})) *
           sizeof(float);
  }

  void weights_version(uint64_t version) override { version_ = version; }

  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    Task task{this, &forward_, typed(x), typed(w), floats(b), typed(y), relu};
    if (version_) {
      const auto count = int(p_.groups * forward_.weight_floats());
      if (!kept_) kept_ = Tensor(device_, {count, 1, 1, 1}, DType::f32);
      task.weights = floats(kept_.view());
      task.transform = version_ != kept_version_;
      kept_version_ = version_;
    }
    convolve(stream, task, work);
  }

  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    convolve(stream, {this, &backward_, typed(dy), typed(w), nullptr, typed(dx)}, work);
  }

  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    cpu(stream).enqueue(
        [this, x = typed(x), dy = typed(dy), dw = floats(dw), db = floats(db),
         work = static_cast<float*>(work), pool = &cpu(stream).pool()] {
          sum_slices(*pool, x, dy, dw != nullptr, work);
          add_slices(*pool, work, dw, db);
        },
        "weight gradient");
  }

 private:
  static const WinogradKernels& kernel() { return *kernels().winograd; }
  static CpuStream& cpu(Stream& stream) { return static_cast<CpuStream&>(stream); }
  static float* floats(AnyView v) { return static_cast<View<float>>(v).data; }
  static T* typed(AnyView v) { return static_cast<View<T>>(v).data; }

  // Scratch memory of a thread: the values of the input at all points, then the products.
  static int64_t input_floats(const WinogradPlan& plan) {
    return plan.s.points() * plan.s.input_point(kChunk);
  }
  static int64_t scratch(const WinogradPlan& plan) {
    return input_floats(plan) + plan.s.points() * plan.s.output_point(kChunk);
  }

  // y = conv(x, w) + b for the plan of one direction.
  struct Task {
    const ConvWinograd* engine;
    const WinogradPlan* plan;
    const T *x, *w;
    const float* b;
    T* y;
    bool relu = false, transform = true;
    float* weights = nullptr;  // the weights at all points; null: use the workspace
    float* scratch = nullptr;

    void transform_weights(ThreadPool& pool) const {
      const int64_t pairs = plan->s.pairs();
      const bool transposed = plan == &engine->backward_;
      pool.parallel_for(engine->p_.groups * pairs, [&](int64_t item, int) {
        const int64_t g = item / pairs;
        plan->t->weights(plan->s, w + g * plan->taps(), transposed, int(item % pairs),
                         weights + g * plan->weight_floats());
      });
    }

    // The three steps of a chunk with scratch memory v: read blocks of input channels, multiply
    // pairs of output blocks at one point, write blocks of output channels.
    void read(int64_t g, TileRange tiles, Interval blocks, float* v) const {
      const auto& [s, t] = *plan;
      t->input(s, x + g * plan->in_group(), tiles, blocks, {0, t->row_groups},
               v + int64_t(blocks.first) * tiles.count * s.lanes, s.input_point(tiles.count),
               nullptr);
    }
    void multiply(int64_t g, int tiles, int point, Interval pairs, float* v) const {
      const WinogradShape& s = plan->s;
      kernel().multiply(s, tiles, pairs, v + point * s.input_point(tiles),
                        weights + g * plan->weight_floats() + point * s.weight_point(),
                        v + input_floats(*plan) + point * s.output_point(tiles));
    }
    void write(int64_t g, TileRange tiles, Interval blocks, const float* v) const {
      const auto& [s, t] = *plan;
      t->output(s, v + input_floats(*plan), tiles, blocks, b ? b + g * s.out_c : nullptr, relu,
                y + g * plan->out_group());
    }
  };

  void convolve(Stream& stream, Task task, void* work) {
    task.scratch = static_cast<float*>(work);
    if (!task.weights) {
      task.weights = task.scratch;
      task.scratch += p_.groups * task.plan->weight_floats();
    }
    cpu(stream).enqueue(
        [task, pool = &cpu(stream).pool()] {
          if (task.transform) task.transform_weights(*pool);
          task.engine->convolve_chunks(*pool, task);
        },
        task.plan == &backward_ ? "data gradient" : "convolution");
  }

  void convolve_chunks(ThreadPool& pool, const Task& task) const {
    const int64_t total = task.plan->s.tiles();
    int64_t chunks = blocks(total, kChunk);
    if (p_.groups * chunks > threads_)
      while (p_.groups * chunks % threads_ != 0) ++chunks;
    const auto tiles = [&](int64_t chunk) {
      const int64_t first = chunk * total / chunks;
      return TileRange{first, int((chunk + 1) * total / chunks - first)};
    };
    const int64_t items = p_.groups * chunks;
    if (items < threads_) {
      for (int64_t item = 0; item < items; ++item)
        convolve_together(pool, task, item / chunks, tiles(item % chunks));
    } else {
      pool.parallel_for(items, [&](int64_t item, int thread) {
        convolve_alone(task, item / chunks, tiles(item % chunks),
                       task.scratch + thread * scratch(*task.plan));
      });
    }
  }

  static void convolve_alone(const Task& task, int64_t g, TileRange tiles, float* v) {
    const WinogradShape& s = task.plan->s;
    task.read(g, tiles, {0, s.in_blocks()}, v);
    for (int point = 0; point < s.points(); ++point)
      task.multiply(g, tiles.count, point, {0, s.pairs()}, v);
    task.write(g, tiles, {0, s.out_blocks()}, v);
  }

  void convolve_together(ThreadPool& pool, const Task& task, int64_t g, TileRange tiles) const {
    const WinogradShape& s = task.plan->s;
    float* v = task.scratch;
    pool.parallel_for(s.in_blocks(),
                      [&](int64_t b, int) { task.read(g, tiles, {int(b), int(b) + 1}, v); });
    const int64_t parts = std::min<int64_t>(s.pairs(), blocks(4 * threads_, s.points()));
    pool.parallel_for(s.points() * parts, [&](int64_t item, int) {
      const int64_t part = item % parts;
      const Interval pairs{int(part * s.pairs() / parts), int((part + 1) * s.pairs() / parts)};
      task.multiply(g, tiles.count, int(item / parts), pairs, v);
    });
    pool.parallel_for(s.out_blocks(),
                      [&](int64_t b, int) { task.write(g, tiles, {int(b), int(b) + 1}, v); });
  }

  // A slice holds the sums at the points of all groups, then the sums of dy per channel.
  int64_t bias_offset() const { return p_.groups * gradient_.weight_floats(); }
  int64_t slice_floats() const { return bias_offset() + floats_aligned(p_.y.c); }
  // The rows of points are processed in two halves, the larger one first.
  Interval half_rows(int half) const {
    const int middle = (gradient_.t->row_groups + 1) / 2;
    return half ? Interval{middle, gradient_.t->row_groups} : Interval{0, middle};
  }
  int64_t gradient_input_floats() const {
    return gradient_.points(half_rows(0)).last * gradient_.s.input_point(kGradientChunk);
  }
  int64_t gradient_scratch() const {
    return gradient_input_floats() +
           gradient_.points(half_rows(0)).last * gradient_.s.output_point(kGradientChunk);
  }

  // Items are (half of the rows, slice, group, part of the input channels). Halves and parts do not
  // change the order of any sum.
  void sum_slices(ThreadPool& pool, const T* x, const T* dy, bool weights, float* work) {
    const int64_t jobs = int64_t(slices_) * p_.groups, in_blocks = gradient_.s.in_blocks();
    const int64_t parts = std::clamp<int64_t>(blocks(threads_, jobs), 1, in_blocks);
    pool.parallel_for(2 * jobs * parts, [&](int64_t item, int thread) {
      const int64_t part = item % parts, g = item / parts % p_.groups;
      const int64_t slice = item / parts / p_.groups % slices_;
      const int half = int(item / (parts * jobs));
      const Interval in{int(part * in_blocks / parts), int((part + 1) * in_blocks / parts)};
      float* sums = work + slice * slice_floats();
      float* bias = half || part ? nullptr : sums + bias_offset() + g * gradient_.s.out_c;
      if (!weights && !bias) return;
      sum_tiles(x + g * gradient_.in_group(), dy + g * gradient_.out_group(), slice, half, in,
                weights ? sums + g * gradient_.weight_floats() : nullptr, bias,
                work + slices_ * slice_floats() + thread * gradient_scratch());
    });
  }

  void sum_tiles(const T* x, const T* dy, int64_t slice, int half, Interval in, float* du,
                 float* bias, float* v) const {
    const auto& [s, t] = gradient_;
    const Interval rows = half_rows(half), points = gradient_.points(rows);
    float* d = v + gradient_input_floats();
    if (bias) std::fill(bias, bias + s.out_c, 0.0f);
    const int64_t begin = slice * s.tiles() / slices_, end = (slice + 1) * s.tiles() / slices_;
    for (int64_t first = begin; first < end; first += kGradientChunk) {
      const TileRange tiles{first, int(std::min<int64_t>(kGradientChunk, end - first))};
      const int64_t v_point = s.input_point(tiles.count), d_point = s.output_point(tiles.count);
      t->gradient(s, dy, tiles, {0, s.out_blocks()}, rows, d, d_point, bias);
      if (!du) continue;
      t->input(s, x, tiles, in, rows, v, v_point, nullptr);
      for (int i = 0; i < points.last - points.first; ++i)
        kernel().accumulate(s, tiles.count, in, v + i * v_point, d + i * d_point, first > begin,
                            du + (points.first + i) * s.weight_point());
    }
  }

  void add_slices(ThreadPool& pool, const float* work, float* dw, float* db) {
    const int64_t pairs = gradient_.s.pairs();
    if (dw)
      pool.parallel_for(p_.groups * pairs, [&](int64_t item, int) {
        const int64_t g = item / pairs;
        gradient_.t->weight_gradient(gradient_.s, work + g * gradient_.weight_floats(), slices_,
                                     slice_floats(), int(item % pairs), dw + g * gradient_.taps());
      });
    if (db)
      for (int c = 0; c < p_.y.c; ++c)
        for (int slice = 0; slice < slices_; ++slice)
          db[c] += work[slice * slice_floats() + bias_offset() + c];
  }

  ConvProblem p_;
  CpuDevice& device_;
  WinogradPlan forward_, backward_, gradient_;
  int threads_, slices_;
  // The weights at all points for the forward pass, cached while their version is the same.
  Tensor kept_;
  uint64_t version_ = 0, kept_version_ = 0;
};

}  // namespace

std::unique_ptr<ConvEngine> make_conv_winograd(CpuDevice& device, const ConvProblem& problem) {
  if (problem.dtype == DType::bf16) return std::make_unique<ConvWinograd<bf16>>(device, problem);
  return std::make_unique<ConvWinograd<float>>(device, problem);
}

}  // namespace alexnet
