// Compiled once per instruction set, with ANX_KERNELS = generic, avx2, avx512. Everything here has
// internal linkage, so that the linker never replaces a function by its copy for another set.
#include "backends/cpu/kernels.h"

#include "backends/cpu/augment.h"
#include "backends/cpu/blocked/lrn_pool.h"
#include "backends/cpu/blocked/ops.h"
#include "backends/cpu/device/peak_loops.h"
#include "backends/cpu/direct/register_tiles.h"
#include "backends/cpu/dropout.h"
#include "backends/cpu/gemm/gemm_f64.h"
#include "backends/cpu/gemm/gemm_nt.h"
#include "backends/cpu/gemm/gemm_packed.h"
#include "backends/cpu/sgd_bf16.h"

namespace alexnet {
namespace {

// The team of a row op is one thread. Sums use 16 lanes, which are added in a fixed order.
struct Team {
  template <class F>
  auto sum(int64_t n, F&& f) const {
    using T = std::remove_cvref_t<decltype(f(int64_t(0)))>;
    constexpr int lanes = 16;
    T part[lanes] = {};
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
      for (int j = 0; j < lanes; ++j) part[j] += f(i + j);
    for (int j = 0; i < n; ++i, ++j) part[j] += f(i);
    for (int width = lanes / 2; width > 0; width /= 2)
      for (int j = 0; j < width; ++j) part[j] += part[j + width];
    return part[0];
  }
  template <class F>
  auto max(int64_t n, F&& f) const {
    auto best = f(int64_t(0));
    for (int64_t i = 1; i < n; ++i) {
      const auto value = f(i);
      if (value > best) best = value;
    }
    return best;
  }
  template <class F>
  void each(int64_t n, F&& f) const {
    for (int64_t i = 0; i < n; ++i) f(i);
  }
};

constexpr int64_t kChunk = 16384;  // elements per work item

template <class Op>
bool is_blocked(const Op& op) {
  bool blocked = false;
  op.visit([&](const auto& view) { blocked |= view.block > 1; });
  return blocked;
}

template <class Op>
void launch_op(const void* pointer, Grid grid, ThreadPool& pool) {
  const Op op = *static_cast<const Op*>(pointer);
  if constexpr (requires { launch_blocked(op, pool); }) {
    if (is_blocked(op) && launch_blocked(op, pool)) return;
  }
  if constexpr (requires { launch_special(op, pool); }) {
    if (launch_special(op, pool)) return;
  }
  const int64_t rows = std::max<int64_t>(1, kChunk / grid.cols);
  const int64_t row_chunks = (grid.rows + rows - 1) / rows;
  if constexpr (is_row_op<Op, Team>) {
    pool.parallel_for(row_chunks, [&](int64_t item, int) {
      const int64_t end = std::min(grid.rows, (item + 1) * rows);
      for (int64_t row = item * rows; row < end; ++row) op(row, Team{});
    });
  } else {
    const int64_t cols = std::min(grid.cols, kChunk);
    const int64_t col_chunks = (grid.cols + cols - 1) / cols;
    pool.parallel_for(row_chunks * col_chunks, [&](int64_t item, int) {
      const Op local = op;  // a local copy, whose fields cannot alias the memory it writes
      const int64_t row_end = std::min(grid.rows, (item / col_chunks + 1) * rows);
      const int64_t first = item % col_chunks * cols, last = std::min(grid.cols, first + cols);
      for (int64_t row = item / col_chunks * rows; row < row_end; ++row) {
#pragma GCC ivdep
        for (int64_t col = first; col < last; ++col) local(row, col);
      }
    });
  }
}

}  // namespace

#define ANX_JOIN2(a, b) a##b
#define ANX_JOIN(a, b) ANX_JOIN2(a, b)
#define ANX_TEXT2(a) #a
#define ANX_TEXT(a) ANX_TEXT2(a)

namespace {
template <class... Ops>
constexpr KernelTable make_table(OpList<Ops...>) {
  return {ANX_TEXT(ANX_KERNELS),
          direct_kernels<FloatTerms<float>>(),
          direct_kernels<FloatTerms<bf16>>(),
          &ANX_JOIN(winograd_, ANX_KERNELS),
          {&launch_op<Ops>...},
          &gemm_packed,
          &gemm_f64<double>,
          {kGemmSlab, &gemm_tiles, &gemm_pack_a, &gemm_slab},
          &gemm_nt<FloatTerms<float>>,
          &gemm_nt<FloatTerms<bf16>>,
          {kSums * kLanes, &multiply_add_loop, &read_loop}};
}
}  // namespace

extern constexpr KernelTable ANX_JOIN(kernels_, ANX_KERNELS) = make_table(AllOps{});

}  // namespace alexnet
