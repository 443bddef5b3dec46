// Work items are (image, group) or, with few images, (image, group, output vectors, rows). This
// does not change the terms of any sum or their order. The weight gradient is summed over kSlices
// fixed slices of the batch, then over the slices in order.
#include "backends/cpu/direct/conv_direct.h"

#include <algorithm>

#include "backends/cpu/device/cpu_stream.h"
#include "core/tensor.h"

namespace alexnet {
namespace {

constexpr int kSlices = 8;

const DirectKernels& kernel_for(DType dtype) {
  if (dtype == DType::f32) return kernels().direct;
  return bf16_kernels() ? bf16_kernels()->direct : kernels().bf16_direct;
}

DirectShape forward_shape(const ConvProblem& p, int width) {
  return {p.x.c / p.groups, p.x.h,      p.x.w,   p.y.c / p.groups, p.y.h,   p.y.w, p.kernel_h,
          p.kernel_w,       p.stride_h, p.pad_h, p.pad_w,          p.block, width};
}

// dx is the convolution of dy with the flipped taps (stride 1).
DirectShape backward_shape(const ConvProblem& p, int width) {
  return {p.y.c / p.groups,
          p.y.h,
          p.y.w,
          p.x.c / p.groups,
          p.x.h,
          p.x.w,
          p.kernel_h,
          p.kernel_w,
          1,
          p.kernel_h - 1 - p.pad_h,
          p.kernel_w - 1 - p.pad_w,
          kernels().direct.lanes,
          width};
}

int64_t floats_aligned(int64_t n) { return (n + 15) / 16 * 16; }

// T: type of activations and weights. Workspace sizes are in floats; packed bf16 data needs half.
template <class T>
class ConvDirect final : public ConvEngine {
 public:
  ConvDirect(CpuDevice& device, const ConvProblem& problem)
      : p_(problem),
        device_(device),
        forward_(forward_shape(problem, kernel().width)),
        gradient_(forward_shape(problem, 1)),
        threads_(device.threads()) {
    if (p_.block > 1) backward_ = backward_shape(problem, kernel().width);
  }

  const char* name() const override { return "direct"; }
  int output_block() const override { return kernel().lanes; }

  size_t workspace_bytes() const override {
    const int64_t weights = p_.groups * forward_.packed_taps() * forward_.out_c;
    const int64_t inputs = std::max<int64_t>(threads_, split() ? jobs() : 0);
    const int64_t room = inputs * std::max(scratch(forward_), scratch(backward_));
    return size_t(room + std::max(floats_aligned(weights), slices() * slice_size())) *
           sizeof(float);
  }

  void weights_version(uint64_t version) override { version_ = version; }

  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    Task task{this, &forward_, typed(x), typed(w), floats(b), typed(y), relu};
    if (version_) {
      const auto count = int(p_.groups * forward_.packed_taps() * forward_.out_c);
      if (!kept_) kept_ = Tensor(device_, {count, 1, 1, 1}, DType::f32);
      task.packed_w = floats(kept_.view());
      task.pack = version_ != kept_version_;
      kept_version_ = version_;
    }
    convolve(stream, task, work);
  }

  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    require<InternalError>(p_.block > 1,
                           "engine direct does not compute the gradient of a planar input");
    convolve(stream, {this, &backward_, typed(dy), typed(w), nullptr, typed(dx)}, work);
  }

  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    cpu(stream).enqueue(
        [this, x = typed(x), dy = typed(dy), dw = floats(dw), db = floats(db),
         work = static_cast<float*>(work), pool = &cpu(stream).pool()] {
          sum_slices(*pool, x, dy, work);
          add_slices(*pool, work, dw, db);
        },
        "weight gradient");
  }

 private:
  static const DirectKernels& kernel() { return kernel_for(dtype_of<T>); }
  static CpuStream& cpu(Stream& stream) { return static_cast<CpuStream&>(stream); }
  static float* floats(AnyView v) { return static_cast<View<float>>(v).data; }
  static T* typed(AnyView v) { return static_cast<View<T>>(v).data; }
  static int pairs(const DirectShape& s) {
    const int width = kernel().lanes * kernel().pair;
    return (s.out_c + width - 1) / width;
  }
  static int64_t pair_offset(const DirectShape& s, int pair) {
    return int64_t(pair) * kernel().pair * kernel().lanes * s.packed_taps();
  }
  int slices() const { return std::min(kSlices, p_.x.n); }
  int64_t scratch(const DirectShape& s) const { return floats_aligned(s.packed_size()); }

  int64_t jobs() const { return int64_t(p_.x.n) * p_.groups; }
  // With few images, each image is split between threads.
  bool split() const { return jobs() < 4 * threads_; }

  // y = conv(x, w) + b for the shape of one direction.
  struct Task {
    const ConvDirect* engine;
    const DirectShape* shape;
    const T *x, *w;
    const float* b;
    T* y;
    bool relu = false, pack = true;
    float* packed_w = nullptr;  // null: use the workspace
    float* inputs = nullptr;

    bool transposed() const { return shape == &engine->backward_; }
    int64_t weights() const { return shape->taps() * shape->out_c; }
    // Packed values have 4 bytes, or 2 if a term has two of them.
    void* packed_weights(int64_t g, int pair) const {
      const int64_t at = g * shape->packed_taps() * shape->out_c + pair_offset(*shape, pair);
      return reinterpret_cast<char*>(packed_w) + at * int64_t(sizeof(float)) / shape->width;
    }
    void pack_weights(ThreadPool& pool) const {
      const int pair_count = pairs(*shape);
      pool.parallel_for(engine->p_.groups * pair_count, [&](int64_t item, int) {
        const int64_t g = item / pair_count;
        const int pair = int(item % pair_count);
        kernel().pack_weights(*shape, w + g * weights(), transposed(), pair,
                              packed_weights(g, pair));
      });
    }
    void pack_input(int64_t job, float* packed) const {
      kernel().pack_input(*shape, x + job * shape->in_c * shape->in_h * shape->in_w, packed);
    }
    void compute(int64_t job, const float* packed, int pair, int first, int last) const {
      const int64_t g = job % engine->p_.groups;
      kernel().forward(*shape, packed, packed_weights(g, pair), b ? b + g * shape->out_c : nullptr,
                       relu, pair, first, last,
                       y + job * shape->out_c * shape->out_h * shape->out_w);
    }
  };

  void convolve(Stream& stream, Task task, void* work) {
    task.inputs = static_cast<float*>(work);
    if (!task.packed_w)
      task.packed_w = task.inputs + (split() ? std::max<int64_t>(threads_, jobs()) : threads_) *
                                        scratch(*task.shape);
    cpu(stream).enqueue(
        [task, pool = &cpu(stream).pool()] {
          if (task.pack) task.pack_weights(*pool);
          task.engine->split() ? task.engine->by_parts(*pool, task)
                               : task.engine->by_images(*pool, task);
        },
        task.transposed() ? "data gradient" : "convolution");
  }

  void by_images(ThreadPool& pool, const Task& task) const {
    pool.parallel_for(jobs(), [&](int64_t job, int thread) {
      float* packed = task.inputs + thread * scratch(*task.shape);
      task.pack_input(job, packed);
      for (int pair = 0; pair < pairs(*task.shape); ++pair)
        task.compute(job, packed, pair, 0, task.shape->out_h);
    });
  }

  void by_parts(ThreadPool& pool, const Task& task) const {
    const DirectShape& s = *task.shape;
    pool.parallel_for(
        jobs(), [&](int64_t job, int) { task.pack_input(job, task.inputs + job * scratch(s)); });
    const int pair_count = pairs(s);
    const int64_t wanted = 8 * threads_, items = jobs() * pair_count;
    const int parts = int(std::min<int64_t>(s.out_h, (wanted + items - 1) / items));
    pool.parallel_for(items * parts, [&](int64_t item, int) {
      const int64_t job = item / parts / pair_count;
      const int part = int(item % parts), pair = int(item / parts % pair_count);
      task.compute(job, task.inputs + job * scratch(s), pair, part * s.out_h / parts,
                   (part + 1) * s.out_h / parts);
    });
  }

  int64_t slice_size() const {
    return floats_aligned(p_.groups * gradient_.taps() * gradient_.out_c + p_.y.c);
  }

  void sum_slices(ThreadPool& pool, const T* x, const T* dy, float* work) {
    const DirectShape& s = gradient_;
    float* sums = work + threads_ * scratch(s);
    const int64_t weights = s.taps() * s.out_c;
    pool.parallel_for(int64_t(slices()) * p_.groups, [&](int64_t item, int thread) {
      const int64_t slice = item / p_.groups, g = item % p_.groups;
      float* packed = work + thread * scratch(s);
      float* dw = sums + slice * slice_size() + g * weights;
      float* db = sums + slice * slice_size() + p_.groups * weights + g * s.out_c;
      std::fill(dw, dw + weights, 0.0f);
      std::fill(db, db + s.out_c, 0.0f);
      for (int64_t n = slice * p_.x.n / slices(); n < (slice + 1) * p_.x.n / slices(); ++n) {
        const int64_t job = n * p_.groups + g;
        kernel().pack_pixels(s, x + job * s.in_c * s.in_h * s.in_w, packed);
        for (int pair = 0; pair < pairs(s); ++pair)
          kernel().backward_weights(s, packed, dy + job * s.out_c * s.out_h * s.out_w, pair,
                                    dw + pair_offset(s, pair), db);
      }
    });
  }

  void add_slices(ThreadPool& pool, float* work, float* dw, float* db) {
    const DirectShape& s = gradient_;
    float* sums = work + threads_ * scratch(s);
    const int64_t weights = s.taps() * s.out_c, total = p_.groups * weights + p_.y.c;
    constexpr int64_t chunk = 16384;
    pool.parallel_for((total + chunk - 1) / chunk, [&](int64_t item, int) {
      const int64_t end = std::min(total, (item + 1) * chunk);
      for (int slice = 1; slice < slices(); ++slice) {
        const float* from = sums + slice * slice_size();
        for (int64_t i = item * chunk; i < end; ++i) sums[i] += from[i];
      }
    });
    if (dw)
      pool.parallel_for(p_.groups * pairs(s), [&](int64_t item, int) {
        const int64_t g = item / pairs(s), pair = item % pairs(s);
        kernel().add_unpacked(s, sums + g * weights + pair_offset(s, int(pair)), int(pair),
                              dw + g * weights);
      });
    if (db)
      for (int c = 0; c < p_.y.c; ++c) db[c] += sums[p_.groups * weights + c];
  }

  ConvProblem p_;
  CpuDevice& device_;
  DirectShape forward_, backward_, gradient_;
  int threads_;
  // The packed weights of the forward pass, cached while the version of the weights is the same.
  Tensor kept_;
  uint64_t version_ = 0, kept_version_ = 0;
};

}  // namespace

bool fits_conv_direct(const ConvProblem& p) {
  const int lanes = kernels().direct.lanes;
  if (p.dtype == DType::f64 || p.y.c / p.groups % lanes != 0 || p.stride_h != p.stride_w)
    return false;
  if (p.block == 1) return p.reads_image && p.groups == 1 && p.x.c < lanes;
  return p.block == lanes && p.x.c / p.groups % lanes == 0 && p.stride_h == 1 &&
         p.pad_h < p.kernel_h && p.pad_w < p.kernel_w;
}

std::unique_ptr<ConvEngine> make_conv_direct(CpuDevice& device, const ConvProblem& problem) {
  if (problem.dtype == DType::bf16) return std::make_unique<ConvDirect<bf16>>(device, problem);
  return std::make_unique<ConvDirect<float>>(device, problem);
}

}  // namespace alexnet
