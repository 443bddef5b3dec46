// Work is cut into items that depend only on the problem: (image, group, block of output rows) for
// the forward pass, (image, group, block of input channels) for dx, (group, block of taps) for dw,
// which sums over the images in order. No two items write to the same memory.
#include "backends/cpu/gemm/conv_gemm.h"

#include "backends/cpu/device/cpu_stream.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/gemm/im2col.h"
#include "ops/run.h"

namespace alexnet {
namespace {

constexpr int64_t kBlockBytes = 1 << 20;  // of the unrolled matrix: at most half an L2 cache

int64_t blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }

struct Plan {
  ConvProblem p;
  int64_t taps, pixels, in_group, out_group;
  int64_t forward_rows;      // output rows per block
  int64_t data_channels;     // input channels per block
  int64_t weight_taps;       // taps per block
  int64_t workspace_stride;  // elements per thread
  int64_t widened_stride;    // the part of them for a matrix converted to or from the compute type

  explicit Plan(const ConvProblem& problem) : p(problem) {
    const DType compute = compute_dtype(p.dtype);
    const int64_t size = int64_t(size_of(compute)), area = int64_t(p.kernel_h) * p.kernel_w;
    in_group = p.x.c / p.groups;
    out_group = p.y.c / p.groups;
    taps = in_group * area;
    pixels = p.y.plane();
    forward_rows = std::clamp<int64_t>(kBlockBytes / (taps * p.y.w * size), 1, p.y.h);
    data_channels = std::clamp<int64_t>(kBlockBytes / (area * pixels * size), 1, in_group);
    weight_taps = std::clamp<int64_t>((blocks(taps, 8) + 15) / 16 * 16, 1, taps);
    workspace_stride = std::max(
        {taps * forward_rows * p.y.w, data_channels * area * pixels, weight_taps * pixels});
    workspace_stride = (workspace_stride + 15) / 16 * 16;
    widened_stride =
        compute == p.dtype ? 0 : std::max(out_group * pixels, data_channels * p.x.plane());
    workspace_stride += widened_stride;
  }
  int64_t weights() const { return p.weight().count(); }
};

// The matrix in the compute type: the matrix itself, or a copy in `room`.
template <class T, class C>
const C* to_float(const T* matrix, int64_t count, C* room) {
  if constexpr (std::is_same_v<T, C>) {
    return matrix;
  } else {
    std::copy(matrix, matrix + count, room);
    return room;
  }
}

// Where a result is summed in the compute type: in place, or in `room`.
template <class T, class C>
C* sums_for(T* result, C* room) {
  if constexpr (std::is_same_v<T, C>) {
    return result;
  } else {
    return room;
  }
}

template <class T, class C>
void forward_item(const Plan& s, int64_t item, const T* x, const C* w, const C* b, T* y, bool relu,
                  C* work) {
  const ConvProblem& p = s.p;
  const int64_t row_blocks = blocks(p.y.h, s.forward_rows);
  const int64_t block = item % row_blocks, g = item / row_blocks % p.groups;
  const int64_t n = item / row_blocks / p.groups;
  const int64_t row = block * s.forward_rows, rows = std::min(s.forward_rows, p.y.h - row);
  const int64_t columns = rows * p.y.w;
  C* col = work + s.widened_stride;

  im2col(p, {0, s.taps, row, rows}, x + (n * p.x.c + g * s.in_group) * p.x.plane(), col);
  T* out = y + (n * p.y.c + g * s.out_group) * s.pixels + row * p.y.w;
  C* sums = sums_for(out, work);
  const int64_t ld = std::is_same_v<T, C> ? s.pixels : columns;
  serial_gemm({.m = s.out_group,
               .n = columns,
               .k = s.taps,
               .a = w + g * s.out_group * s.taps,
               .b = col,
               .c = sums,
               .lda = s.taps,
               .ldb = columns,
               .ldc = ld,
               .dtype = dtype_of<C>});
  if (std::is_same_v<T, C> && !b && !relu) return;
  for (int64_t o = 0; o < s.out_group; ++o) {
    const C bias = b ? b[g * s.out_group + o] : C(0);
    for (int64_t i = 0; i < columns; ++i) {
      const C sum = sums[o * ld + i] + bias;
      out[o * s.pixels + i] = relu && sum <= 0 ? C(0) : sum;  // keeps NaN
    }
  }
}

template <class T, class C>
void data_item(const Plan& s, int64_t item, const C* w, const T* dy, T* dx, C* work) {
  const ConvProblem& p = s.p;
  const int64_t area = int64_t(p.kernel_h) * p.kernel_w;
  const int64_t channel_blocks = blocks(s.in_group, s.data_channels);
  const int64_t block = item % channel_blocks, g = item / channel_blocks % p.groups;
  const int64_t n = item / channel_blocks / p.groups;
  const int64_t c = block * s.data_channels, channels = std::min(s.data_channels, s.in_group - c);
  C* dcol = work + s.widened_stride;

  serial_gemm(
      {.transpose_a = true,
       .m = channels * area,
       .n = s.pixels,
       .k = s.out_group,
       .a = w + g * s.out_group * s.taps + c * area,
       .b = to_float(dy + (n * p.y.c + g * s.out_group) * s.pixels, s.out_group * s.pixels, work),
       .c = dcol,
       .lda = s.taps,
       .ldb = s.pixels,
       .ldc = s.pixels,
       .dtype = dtype_of<C>});
  T* out = dx + (n * p.x.c + g * s.in_group + c) * p.x.plane();
  C* sums = sums_for(out, work);
  std::fill(sums, sums + channels * p.x.plane(), C(0));
  col2im_add(p, {0, channels * area, 0, p.y.h}, dcol, sums);
  if (!std::is_same_v<T, C>) std::copy(sums, sums + channels * p.x.plane(), out);
}

template <class T, class C>
void weight_item(const Plan& s, int64_t item, const T* x, const T* dy, C* dw, C* work) {
  const ConvProblem& p = s.p;
  const int64_t tap_blocks = blocks(s.taps, s.weight_taps);
  const int64_t g = item / tap_blocks, tap = item % tap_blocks * s.weight_taps;
  const int64_t taps = std::min(s.weight_taps, s.taps - tap);
  C* col = work + s.widened_stride;
  for (int64_t n = 0; n < p.x.n; ++n) {
    im2col(p, {tap, taps, 0, p.y.h}, x + (n * p.x.c + g * s.in_group) * p.x.plane(), col);
    serial_gemm(
        {.transpose_b = true,
         .m = s.out_group,
         .n = taps,
         .k = s.pixels,
         .a = to_float(dy + (n * p.y.c + g * s.out_group) * s.pixels, s.out_group * s.pixels, work),
         .b = col,
         .c = dw + g * s.out_group * s.taps + tap,
         .lda = s.pixels,
         .ldb = s.pixels,
         .ldc = s.taps,
         .beta = 1,
         .dtype = dtype_of<C>});
  }
}

template <class T>
class ConvGemm final : public ConvEngine {
  using C = Compute<T>;

 public:
  ConvGemm(CpuDevice& device, const ConvProblem& problem)
      : plan_(problem), threads_(device.threads()) {}

  const char* name() const override { return "gemm"; }
  int output_block() const override { return 1; }
  size_t workspace_bytes() const override {
    const int64_t weights = std::is_same_v<T, C> ? 0 : plan_.weights();
    return size_t(plan_.workspace_stride * threads_ + weights) * sizeof(C);
  }

  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    const Plan& s = plan_;
    const int64_t items = int64_t(s.p.y.n) * s.p.groups * blocks(s.p.y.h, s.forward_rows);
    each_item(stream, "convolution", items, work,
              [s = &s, x = typed(x), w = weights(stream, w, work), b = computed(b), y = typed(y),
               relu](int64_t item, C* room) { forward_item(*s, item, x, w, b, y, relu, room); });
  }

  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    const Plan& s = plan_;
    const int64_t items = int64_t(s.p.x.n) * s.p.groups * blocks(s.in_group, s.data_channels);
    each_item(stream, "data gradient", items, work,
              [s = &s, w = weights(stream, w, work), dy = typed(dy), dx = typed(dx)](
                  int64_t item, C* room) { data_item(*s, item, w, dy, dx, room); });
  }

  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    const Plan& s = plan_;
    if (db) run(stream, BiasGradient<T>{dy, db});
    if (!dw) return;
    each_item(stream, "weight gradient", s.p.groups * blocks(s.taps, s.weight_taps), work,
              [s = &s, x = typed(x), dy = typed(dy), dw = computed(dw)](int64_t item, C* room) {
                weight_item(*s, item, x, dy, dw, room);
              });
  }

 private:
  static T* typed(AnyView v) { return static_cast<View<T>>(v).data; }
  static C* computed(AnyView v) { return static_cast<View<C>>(v).data; }

  // The weights in the compute type, converted once for all items. The copy follows the threads'
  // parts of the workspace.
  const C* weights(Stream& stream, AnyView w, void* work) {
    if constexpr (std::is_same_v<T, C>) {
      return typed(w);
    } else {
      C* room = static_cast<C*>(work) + plan_.workspace_stride * threads_;
      AnyView wide = w;
      wide.data = room, wide.dtype = dtype_of<C>;
      run(stream, Cast<T, C>{w, wide});
      return room;
    }
  }

  template <class F>
  void each_item(Stream& stream, const char* what, int64_t items, void* work, F f) {
    auto& cpu = static_cast<CpuStream&>(stream);
    cpu.enqueue(
        [f, items, scratch = static_cast<C*>(work), stride = plan_.workspace_stride,
         pool = &cpu.pool()] {
          pool->parallel_for(items,
                             [&](int64_t item, int thread) { f(item, scratch + thread * stride); });
        },
        what);
  }

  Plan plan_;
  int threads_;
};

}  // namespace

std::unique_ptr<ConvEngine> make_conv_gemm(CpuDevice& device, const ConvProblem& problem) {
  return for_dtype(problem.dtype, [&](auto t) -> std::unique_ptr<ConvEngine> {
    return std::make_unique<ConvGemm<decltype(t)>>(device, problem);
  });
}

}  // namespace alexnet
