// Launches ops as kernels. A plane op has one thread per (row, column), in a grid-stride loop. A
// row op has one block per row, whose threads are the team. Both use 32-bit indices, since GPUs
// have no 64-bit integer multiply or divide instructions.
#pragma once

#include <algorithm>

#include "backends/cuda/launch.h"
#include "ops/op.h"
#include "ops/short_index.h"

namespace alexnet {

// The threads of a block. Each thread sums its own elements, then the sums of the threads are added
// in a fixed tree: the result has the same bits in every run.
struct Team {
  void* scratch;  // shared memory, 8 bytes per thread

  template <class F>
  __device__ auto sum(int n, F&& f) const {
    auto value = decltype(f(0))(0);
    share(n, [&](int i) { value += f(i); });
    return fold(value, [](auto a, auto b) { return a + b; });
  }
  template <class F>
  __device__ auto max(int n, F&& f) const {
    auto value = f(0);
    share(n, [&](int i) {
      const auto other = f(i);
      if (other > value) value = other;
    });
    return fold(value, [](auto a, auto b) { return b > a ? b : a; });
  }
  template <class F>
  __device__ void each(int n, F&& f) const {
    share(n, f);
    __syncthreads();
  }

 private:
  // f(i) for this thread's share of i < n.
  template <class F>
  __device__ static void share(int n, F&& f) {
    for (unsigned i = threadIdx.x; i < unsigned(n); i += blockDim.x) f(int(i));
  }
  // All threads get the result. The number of threads is a power of two.
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
    __syncthreads();  // all threads have read before the next write
    return result;
  }
};

// The counters are unsigned, since the last increment may exceed the largest int.
template <class Op>
__global__ void plane_kernel(Op op, unsigned rows, unsigned cols) {
  for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < rows;
       row += gridDim.y * blockDim.y)
    for (unsigned col = blockIdx.x * blockDim.x + threadIdx.x; col < cols;
         col += gridDim.x * blockDim.x)
      op(int(row), int(col));
}

template <class Op>
__global__ void row_kernel(Op op, unsigned rows) {
  ANX_SHARED(double, scratch);
  for (unsigned row = blockIdx.x; row < rows; row += gridDim.x) op(int(row), Team{scratch});
}

template <class Op>
void launch_op(CudaStream& stream, const Op& op, Grid grid) {
  require_short_index(op, grid);
  const int64_t threads = stream.block_threads();
  const auto blocks = [](int64_t items, int64_t per_block, int64_t most) {
    return unsigned(std::clamp<int64_t>((items + per_block - 1) / per_block, 1, most));
  };
  int64_t wide = 1;  // threads along the columns: the smallest power of two that covers them
  while (wide < grid.cols && wide < threads) wide *= 2;
  if constexpr (is_row_op<Op, Team>) {
    wide = std::max<int64_t>(wide, std::min<int64_t>(threads, 32));
    launch(Op::name, &row_kernel<Op>, dim3(blocks(grid.rows, 1, stream.most_blocks())),
           dim3(unsigned(wide)), size_t(wide) * sizeof(double), stream, op, unsigned(grid.rows));
  } else {
    const int64_t high = threads / wide;
    const unsigned x = blocks(grid.cols, wide, stream.most_blocks());
    const unsigned y = blocks(grid.rows, high, std::max<int64_t>(1, stream.most_blocks() / x));
    launch(Op::name, &plane_kernel<Op>, dim3(x, std::min(y, 65535u)),
           dim3(unsigned(wide), unsigned(high)), 0, stream, op, unsigned(grid.rows),
           unsigned(grid.cols));
  }
}

}  // namespace alexnet
