// Work items are (image, group), or with few images (image, group, pair of output vectors): how it
// is cut does not change what any sum adds, or in which order. The weight gradient is summed over
// kSlices fixed slices of the batch, then over the slices in order.
#include "backends/cpu/conv_direct.h"

#include <algorithm>

#include "backends/cpu/cpu_stream.h"

namespace alexnet {
namespace {

constexpr int kSlices = 8;

DirectShape forward_shape(const ConvProblem& p) {
  return {p.x.c / p.groups, p.x.h,      p.x.w,      p.y.c / p.groups, p.y.h,   p.y.w,
          p.kernel_h,       p.kernel_w, p.stride_h, p.pad_h,          p.pad_w, p.block};
}

// dx is the convolution of dy with the flipped taps (stride 1).
DirectShape backward_shape(const ConvProblem& p) {
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
          kernels().direct.lanes};
}

int64_t floats_aligned(int64_t n) { return (n + 15) / 16 * 16; }

class ConvDirect final : public ConvEngine {
 public:
  ConvDirect(CpuDevice& device, const ConvProblem& problem)
      : p_(problem), forward_(forward_shape(problem)), threads_(device.threads()) {
    if (p_.block > 1) backward_ = backward_shape(problem);
  }

  const char* name() const override { return "direct"; }
  int output_block() const override { return kernel().lanes; }

  size_t workspace_bytes() const override {
    const int64_t weights = p_.groups * forward_.taps() * forward_.out_c;
    const int64_t scratch = threads_ * std::max(floats_aligned(forward_.packed_size()),
                                                floats_aligned(backward_.packed_size()));
    return size_t(scratch + slices() * floats_aligned(weights + p_.y.c)) * sizeof(float);
  }

  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    convolve(stream, forward_, x, w, b, y, work, false, relu);
  }

  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    require<InternalError>(p_.block > 1, "the direct engine has no gradient for a planar input");
    convolve(stream, backward_, dy, w, {}, dx, work, true, false);
  }

  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    cpu(stream).enqueue([this, x = floats(x), dy = floats(dy), dw = floats(dw), db = floats(db),
                         work = static_cast<float*>(work), pool = &cpu(stream).pool()] {
      sum_slices(*pool, x, dy, work);
      add_slices(*pool, work, dw, db);
    });
  }

 private:
  static const DirectKernels& kernel() { return kernels().direct; }
  static CpuStream& cpu(Stream& stream) { return static_cast<CpuStream&>(stream); }
  static float* floats(AnyView v) { return static_cast<View<float>>(v).data; }
  static int pairs(const DirectShape& s) {
    const int width = kernel().lanes * kernel().pair;
    return (s.out_c + width - 1) / width;
  }
  static int64_t pair_offset(const DirectShape& s, int pair) {
    return int64_t(pair) * kernel().pair * kernel().lanes * s.taps();
  }
  int slices() const { return std::min(kSlices, p_.x.n); }
  int64_t scratch(const DirectShape& s) const { return floats_aligned(s.packed_size()); }

  // y = conv(x, w) + b for the shape of one direction.
  void convolve(Stream& stream, const DirectShape& s, AnyView x, AnyView w, AnyView b, AnyView y,
                void* work, bool transposed, bool relu) {
    cpu(stream).enqueue([this, s = &s, x = floats(x), w = floats(w), b = floats(b), y = floats(y),
                         work = static_cast<float*>(work), transposed, relu,
                         pool = &cpu(stream).pool()] {
      const int pair_count = pairs(*s);
      const int64_t weights = s->taps() * s->out_c;
      float* packed_w = work + threads_ * scratch(*s);
      pool->parallel_for(p_.groups * pair_count, [&](int64_t item, int) {
        const int64_t g = item / pair_count, pair = item % pair_count;
        kernel().pack_weights(*s, w + g * weights, transposed, int(pair),
                              packed_w + g * weights + pair_offset(*s, int(pair)));
      });

      const int64_t jobs = int64_t(p_.x.n) * p_.groups;
      const bool split = jobs < 4 * threads_;
      pool->parallel_for(jobs * (split ? pair_count : 1), [&](int64_t item, int thread) {
        const int64_t job = split ? item / pair_count : item;
        const int64_t g = job % p_.groups;
        float* packed = work + thread * scratch(*s);
        kernel().pack_input(*s, x + job * s->in_c * s->in_h * s->in_w, packed);
        const int first = split ? int(item % pair_count) : 0;
        const int last = split ? first + 1 : pair_count;
        for (int pair = first; pair < last; ++pair)
          kernel().forward(*s, packed, packed_w + g * weights + pair_offset(*s, pair),
                           b ? b + g * s->out_c : nullptr, relu, pair,
                           y + job * s->out_c * s->out_h * s->out_w);
      });
    });
  }

  int64_t slice_size() const {
    return floats_aligned(p_.groups * forward_.taps() * forward_.out_c + p_.y.c);
  }

  void sum_slices(ThreadPool& pool, const float* x, const float* dy, float* work) {
    const DirectShape& s = forward_;
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
        kernel().pack_input(s, x + job * s.in_c * s.in_h * s.in_w, packed);
        for (int pair = 0; pair < pairs(s); ++pair)
          kernel().backward_weights(s, packed, dy + job * s.out_c * s.out_h * s.out_w, pair,
                                    dw + pair_offset(s, pair), db);
      }
    });
  }

  void add_slices(ThreadPool& pool, float* work, float* dw, float* db) {
    const DirectShape& s = forward_;
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
  DirectShape forward_, backward_;
  int threads_;
};

}  // namespace

bool fits_conv_direct(const ConvProblem& p) {
  const int lanes = kernels().direct.lanes;
  if (p.dtype != DType::f32 || p.y.c / p.groups % lanes != 0 || p.stride_h != p.stride_w)
    return false;
  if (p.block == 1) return p.reads_image && p.groups == 1 && p.x.c < lanes;
  return p.block == lanes && p.x.c / p.groups % lanes == 0 && p.stride_h == 1 &&
         p.pad_h < p.kernel_h && p.pad_w < p.kernel_w;
}

std::unique_ptr<ConvEngine> make_conv_direct(CpuDevice& device, const ConvProblem& problem) {
  return std::make_unique<ConvDirect>(device, problem);
}

}  // namespace alexnet
