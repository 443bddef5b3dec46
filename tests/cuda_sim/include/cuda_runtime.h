// Replaces CUDA's header in tests, with only the functions that the CUDA back end calls. Kernels
// run on the CPU, streams are threads, and each of the simulated devices owns its allocations.
// docs/cuda.md describes what the simulator detects and what it does not.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#pragma GCC visibility push(default)  // libraries that are opened later also call these functions

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorNotReady = 600,
  cudaErrorPeerAccessAlreadyEnabled = 704,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureImplicit = 906,
};
const char* cudaGetErrorName(cudaError_t error);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

using cudaStream_t = struct SimStream*;
using cudaEvent_t = struct SimEvent*;
using cudaGraph_t = struct SimGraph*;
using cudaGraphExec_t = struct SimGraphExec*;
using cudaGraphNode_t = struct SimNode*;

// ---- devices
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor, multiProcessorCount;
};
enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
};
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer);
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags);

// ---- memory
enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
};
cudaError_t cudaMalloc(void** data, size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMallocHost(void** data, size_t bytes);
cudaError_t cudaFreeHost(void* data);
cudaError_t cudaMemcpy(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* dst, const void* src, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemcpyPeerAsync(void* dst, int dst_device, const void* src, int src_device,
                                size_t bytes, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);

// ---- streams and events
inline constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDefault = 0,
                          cudaEventDisableTiming = 2;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data);

// ---- graphs
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1 };
struct cudaGraphEdgeData;
struct cudaKernelNodeParams {
  void* func;
  dim3 gridDim, blockDim;
  unsigned sharedMemBytes;
  void** kernelParams;
  void** extra;
};
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id = nullptr, cudaGraph_t* graph = nullptr,
                                     const cudaGraphNode_t** dependencies = nullptr,
                                     const cudaGraphEdgeData** edges = nullptr,
                                     size_t* count = nullptr);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* parameters);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

// ---- inside a kernel
extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;

namespace cuda_sim {

void barrier();
void* shared_memory();

class OperandVisitor;

// How to call a kernel whose type is not known, and how to keep its arguments.
struct KernelType {
  void* (*copy)(void** arguments);  // to the heap
  void (*call)(void* kernel, const void* copied);
  void (*destroy)(void* copied);
  // Reports the memory that the kernel accesses, as far as it is known.
  void (*operands)(const void* copied, OperandVisitor& visitor);
};

class OperandVisitor {
 public:
  virtual void operand(const void* at, size_t bytes, bool writes, const char* who) = 0;
  // An argument that does not list its operands; it may contain pointers.
  virtual void opaque(const void* argument, size_t bytes) = 0;

 protected:
  ~OperandVisitor() = default;
};

// Arguments with a visit() function, such as ops, list their views: const views are read, the
// others are written. Other arguments are searched for pointers, but not in the padding between
// their members, which may contain old pointers. (They are not searched if the compiler cannot
// clear the padding.)
template <class P>
void list_operands(const P& argument, OperandVisitor& visitor) {
  if constexpr (requires { argument.visit([](const auto&) {}); }) {
    const char* who = "a kernel";
    if constexpr (requires { P::name; }) who = P::name;
    argument.visit([&](const auto& view) {
      using Element = std::remove_pointer_t<decltype(view.data)>;
      if (view.data)
        visitor.operand(view.data, size_t(view.shape.count()) * sizeof(Element),
                        !std::is_const_v<Element>, who);
    });
  } else if constexpr (std::has_unique_object_representations_v<P>) {
    visitor.opaque(&argument, sizeof(P));
  } else {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    P clean = argument;
    __builtin_clear_padding(&clean);
    visitor.opaque(&clean, sizeof(P));
#endif
#endif
  }
}

template <class... P>
struct KernelOf {
  using Copy = std::tuple<P...>;

  template <size_t... I>
  static Copy* unpack(void** arguments, std::index_sequence<I...>) {
    return new Copy(*static_cast<P*>(arguments[I])...);
  }
  static constexpr KernelType type = {
      [](void** arguments) -> void* { return unpack(arguments, std::index_sequence_for<P...>()); },
      [](void* kernel, const void* copied) {
        std::apply(reinterpret_cast<void (*)(P...)>(kernel), *static_cast<const Copy*>(copied));
      },
      [](void* copied) { delete static_cast<Copy*>(copied); },
      [](const void* copied, OperandVisitor& visitor) {
        std::apply([&](const P&... p) { (list_operands(p, visitor), ...); },
                   *static_cast<const Copy*>(copied));
      }};
};

cudaError_t launch(void* kernel, const KernelType& type, dim3 grid, dim3 block, void** arguments,
                   size_t shared, cudaStream_t stream);

}  // namespace cuda_sim

template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments,
                             size_t shared, cudaStream_t stream) {
  return cuda_sim::launch(reinterpret_cast<void*>(kernel), cuda_sim::KernelOf<P...>::type, grid,
                          block, arguments, shared, stream);
}

inline void __syncthreads() { ::cuda_sim::barrier(); }

#pragma GCC visibility pop
