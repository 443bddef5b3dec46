// How ops become kernels. A plane op: a thread for each (row, column), with strides over the grid.
// A row op: a block for each row, whose threads are the team.
#pragma once

#include <algorithm>

#include "backends/cuda/launch.h"
#include "ops/op.h"

namespace alexnet {

// The threads of a block. Sums are taken by each thread over its own elements, then over the
// threads in the order of a fixed tree: the same bits in every run.
struct Team {
  void* scratch;  // shared memory: 8 bytes a thread

  template <class F>
  __device__ auto sum(int64_t n, F&& f) const {
    auto value = decltype(f(int64_t(0)))(0);
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) value += f(i);
    return fold(value, [](auto a, auto b) { return a + b; });
  }
  template <class F>
  __device__ auto max(int64_t n, F&& f) const {
    auto value = f(int64_t(0));
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
      const auto other = f(i);
      if (other > value) value = other;
    }
    return fold(value, [](auto a, auto b) { return b > a ? b : a; });
  }
  template <class F>
  __device__ void each(int64_t n, F&& f) const {
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
    __syncthreads();
  }

 private:
  // All threads get the result. The block has a power of two of them.
  template <class T, class F>
  __device__ T fold(T value, F&& combine) const {
    T* part = static_cast<T*>(scratch);
    part[threadIdx.x] = value;
    __syncthreads();
    for (unsigned width = blockDim.x / 2; width > 0; width /= 2) {
      if (threadIdx.x < width)
        part[threadIdx.x] = combine(part[threadIdx.x], part[threadIdx.x + width]);
      __syncthreads();
    }
    const T result = part[0];
    __syncthreads();  // nobody writes before all have read
    return result;
  }
};

template <class Op>
__global__ void plane_kernel(Op op, Grid grid) {
  for (int64_t row = int64_t(blockIdx.y) * blockDim.y + threadIdx.y; row < grid.rows;
       row += int64_t(gridDim.y) * blockDim.y)
    for (int64_t col = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; col < grid.cols;
         col += int64_t(gridDim.x) * blockDim.x)
      op(row, col);
}

template <class Op>
__global__ void row_kernel(Op op, int64_t rows) {
  ANX_SHARED(double, scratch);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) op(row, Team{scratch});
}

// A row op's call operator is a template (on Team), so it has no address without arguments.
template <class Op>
constexpr bool is_row_op = !requires { &Op::operator(); };

template <class Op>
void launch_op(CudaStream& stream, const Op& op, Grid grid) {
  const int64_t threads = stream.block_threads();
  const auto blocks = [](int64_t items, int64_t per_block, int64_t most) {
    return unsigned(std::clamp<int64_t>((items + per_block - 1) / per_block, 1, most));
  };
  int64_t wide = 1;  // threads along the columns: the power of two that covers them
  while (wide < grid.cols && wide < threads) wide *= 2;
  if constexpr (is_row_op<Op>) {
    wide = std::max<int64_t>(wide, std::min<int64_t>(threads, 32));
    launch(Op::name, &row_kernel<Op>, dim3(blocks(grid.rows, 1, stream.most_blocks())),
           dim3(unsigned(wide)), size_t(wide) * sizeof(double), stream, op, grid.rows);
  } else {
    const int64_t high = threads / wide;
    const unsigned x = blocks(grid.cols, wide, stream.most_blocks());
    const unsigned y = blocks(grid.rows, high, std::max<int64_t>(1, stream.most_blocks() / x));
    launch(Op::name, &plane_kernel<Op>, dim3(x, std::min(y, 65535u)),
           dim3(unsigned(wide), unsigned(high)), 0, stream, op, grid);
  }
}

}  // namespace alexnet
