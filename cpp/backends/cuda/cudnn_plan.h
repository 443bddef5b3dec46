// One pass of a convolution as an execution plan of cuDNN's graph API.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "backends/cuda/conv_plans.h"
#include "backends/cuda/cudnn_library.h"

namespace alexnet {

// The cuDNN attribute type of a C++ type; -1: none.
template <class T>
inline constexpr int kCudnnType = -1;
template <>
inline constexpr int kCudnnType<bool> = CUDNN_TYPE_BOOLEAN;
template <>
inline constexpr int kCudnnType<int64_t> = CUDNN_TYPE_INT64;
template <>
inline constexpr int kCudnnType<float> = CUDNN_TYPE_FLOAT;
template <>
inline constexpr int kCudnnType<void*> = CUDNN_TYPE_VOID_PTR;
template <>
inline constexpr int kCudnnType<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <>
inline constexpr int kCudnnType<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <>
inline constexpr int kCudnnType<cudnnConvolutionMode_t> = CUDNN_TYPE_CONVOLUTION_MODE;
template <>
inline constexpr int kCudnnType<cudnnPointwiseMode_t> = CUDNN_TYPE_POINTWISE_MODE;
template <>
inline constexpr int kCudnnType<cudnnNanPropagation_t> = CUDNN_TYPE_NAN_PROPOGATION;
template <>
inline constexpr int kCudnnType<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;

// An owned cuDNN descriptor.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);
  CudnnDescriptor(CudnnDescriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  ~CudnnDescriptor();

  cudnnBackendDescriptor_t raw() const { return raw_; }
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
           const void* values);
  template <class T>
    requires(kCudnnType<T> >= 0)
  void set(cudnnBackendAttributeName_t name, const T& value) {
    set(name, cudnnBackendAttributeType_t(kCudnnType<T>), 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, std::span<const int64_t> values) {
    set(name, CUDNN_TYPE_INT64, int64_t(values.size()), values.data());
  }
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.raw_);
  }
  void finalize();
  bool try_finalize();  // false: cuDNN does not support it

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

// The device to plan for: a handle on it or, for a device that this machine does not have, its
// properties.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* properties = nullptr;
};

// The operands of a pass. For backward passes `y` is dy, and the result dx or dw is in `x` or `w`.
struct CudnnOperands {
  void *x = nullptr, *w = nullptr, *y = nullptr, *bias = nullptr;
};

// Number of times a plan runs, and the offsets in bytes from the operands of one run to the next.
struct CudnnParts {
  int count = 1;
  int64_t x = 0, w = 0, y = 0, bias = 0;
};

class CudnnPlan {
 public:
  CudnnPlan(CudnnDescriptor plan, size_t workspace_bytes, const CudnnParts& parts)
      : plan_(std::move(plan)), workspace_bytes_(workspace_bytes), parts_(parts) {}

  size_t workspace_bytes() const { return workspace_bytes_; }
  void repeat(int count) { parts_.count = count; }
  // Enqueues the plan on the handle's stream.
  void run(cudnnHandle_t handle, const CudnnOperands& operands, void* workspace);

 private:
  std::mutex mutex_;  // cuDNN does not guarantee that plans are thread-safe
  CudnnDescriptor plan_;
  size_t workspace_bytes_;
  CudnnParts parts_;
};

// cuDNN is only used with the same padding on both sides of an image. If the last window extends
// further (the 55th of conv1, for 224 pixels), the caller pads the image itself: with uneven
// padding, engine 1 of cuDNN 9.19 computes wrong gradients with respect to the weights (docs/gpu).
bool is_padded_evenly(const ConvProblem& problem);
ConvProblem with_padding_in_image(ConvProblem problem);  // x of the result is the padded image

// Returns the first plan proposed by cuDNN's heuristics that gives the same bits in every run,
// keeps to the precision and fits the workspace; null if there is none. With `tf32` false, float32
// plans do not use tensor cores. All operands have the problem's dtype: cuDNN has no plans for
// mixed types. On tensor cores, groups run one after the other if possible: cuDNN's plans for
// several groups at once took up to fifteen times as long (docs/gpu).
std::unique_ptr<CudnnPlan> make_cudnn_plan(const CudnnTarget& target, const ConvProblem& problem,
                                           CudnnPass pass, bool tf32, size_t workspace_limit);

}  // namespace alexnet
