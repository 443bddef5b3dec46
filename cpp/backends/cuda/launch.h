// All kernels are launched with launch(name, kernel, grid, block, shared bytes, stream,
// arguments...), and all shared memory is declared with ANX_SHARED. The sources never use <<<>>>,
// so that they also compile with g++ and the simulator.
#pragma once

#include <cuda_runtime.h>

#include <tuple>

#include "backends/cuda/cuda_stream.h"

// T* name: the dynamic shared memory of the block.
#if defined(__CUDACC__)
#define ANX_SHARED(T, name)                                         \
  extern __shared__ __align__(16) unsigned char anx_shared_bytes[]; \
  T* const name = reinterpret_cast<T*>(anx_shared_bytes)
#else
#define ANX_SHARED(T, name) T* const name = static_cast<T*>(::cuda_sim::shared_memory())
#endif

namespace alexnet {

// Arguments are copied. A graph that replays this launch updates the arguments that have changed.
template <class... P, class... A>
void launch(const char* what, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
            CudaStream& stream, const A&... arguments) {
  std::tuple<std::remove_cv_t<P>...> values(arguments...);
  std::apply(
      [&](auto&... value) {
        void* pointers[] = {static_cast<void*>(&value)...};
        const size_t sizes[] = {sizeof(value)...};
        const KernelLaunch call{
            what,        reinterpret_cast<void*>(kernel), grid, block, shared, pointers, sizes,
            sizeof...(P)};
        stream.kernel(call, [&](cudaStream_t handle) {
          return cudaLaunchKernel(kernel, grid, block, pointers, shared, handle);
        });
      },
      values);
}

}  // namespace alexnet
