#include "backends/cuda/cudnn_plan.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/errors.h"

namespace alexnet {
namespace {

// Names of tensors; the last two lie between fused operations and are never in memory.
enum : int64_t { kX = 1, kW, kY, kBias, kProduct, kSum };

cudnnDataType_t data_type(DType t) {
  return t == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

CudnnDescriptor tensor(int64_t id, const Shape& s, DType dtype) {
  const std::array<int64_t, 4> sizes = {s.n, s.c, s.h, s.w};
  const std::array<int64_t, 4> strides = {s.per_image(), s.plane(), s.w, 1};
  CudnnDescriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, data_type(dtype));
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  t.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t(64));
  if (id >= kProduct) t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
  t.finalize();
  return t;
}

// After the last pixel of an axis. Where a window more or less than the usual fits, the output's
// length says how much there must be.
int64_t padding_after(int in, int out, int kernel, int stride, int pad) {
  if ((in + 2 * pad - kernel) / stride + 1 == out) return pad;
  return int64_t(out - 1) * stride + kernel - in - pad;
}

// The number of groups follows from the channels of x and w.
CudnnDescriptor convolution(const ConvProblem& p) {
  const std::array<int64_t, 2> strides = {p.stride_h, p.stride_w}, dilations = {1, 1};
  const std::array<int64_t, 2> before = {p.pad_h, p.pad_w};
  const std::array<int64_t, 2> after = {
      padding_after(p.x.h, p.y.h, p.kernel_h, p.stride_h, p.pad_h),
      padding_after(p.x.w, p.y.w, p.kernel_w, p.stride_w, p.pad_w)};
  CudnnDescriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t(2));
  c.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilations);
  c.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, strides);
  c.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, before);
  c.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, after);
  c.finalize();
  return c;
}

CudnnDescriptor pointwise(cudnnPointwiseMode_t mode, const CudnnDescriptor& x,
                          const CudnnDescriptor* b, const CudnnDescriptor& y) {
  CudnnDescriptor how(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  how.set(CUDNN_ATTR_POINTWISE_MODE, mode);
  how.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  if (mode == CUDNN_POINTWISE_RELU_FWD)
    how.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_PROPAGATE_NAN);
  how.finalize();
  CudnnDescriptor op(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
  if (b) op.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  op.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
  op.finalize();
  return op;
}

// The descriptors hold what they are given, so these may go when the graph is finalised.
std::vector<CudnnDescriptor> operations(const ConvProblem& p, CudnnPass pass) {
  const CudnnDescriptor conv = convolution(p), x = tensor(kX, p.x, p.dtype),
                        w = tensor(kW, p.weight(), p.dtype), y = tensor(kY, p.y, p.dtype);
  std::vector<CudnnDescriptor> ops;
  switch (pass) {
    case CudnnPass::forward:
    case CudnnPass::forward_bias_relu: {
      const bool fused = pass == CudnnPass::forward_bias_relu;
      const CudnnDescriptor product =
          tensor(fused ? kProduct : kY, p.y, fused ? DType::f32 : p.dtype);
      CudnnDescriptor& op =
          ops.emplace_back(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, conv);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, product);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, 1.0f);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, 0.0f);
      op.finalize();
      if (!fused) break;
      const CudnnDescriptor bias = tensor(kBias, {1, p.y.c, 1, 1}, p.dtype),
                            sum = tensor(kSum, p.y, DType::f32);
      ops.push_back(pointwise(CUDNN_POINTWISE_ADD, product, &bias, sum));
      ops.push_back(pointwise(CUDNN_POINTWISE_RELU_FWD, sum, nullptr, y));
      break;
    }
    case CudnnPass::backward_data: {
      CudnnDescriptor& op =
          ops.emplace_back(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, conv);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, y);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, w);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, x);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, 1.0f);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, 0.0f);
      op.finalize();
      break;
    }
    case CudnnPass::backward_weights: {
      CudnnDescriptor& op =
          ops.emplace_back(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, conv);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, x);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, y);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, w);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, 1.0f);
      op.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, 0.0f);
      op.finalize();
      break;
    }
  }
  return ops;
}

std::vector<cudnnBackendDescriptor_t> raw(const std::vector<CudnnDescriptor>& descriptors) {
  std::vector<cudnnBackendDescriptor_t> out;
  for (const CudnnDescriptor& d : descriptors) out.push_back(d.raw());
  return out;
}

// What the heuristics propose, the best first.
std::vector<CudnnDescriptor> proposals(const CudnnTarget& target, const CudnnDescriptor& graph,
                                       cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (target.properties) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.properties);
  std::vector<CudnnDescriptor> configs;
  if (!heuristics.try_finalize()) return configs;
  int64_t count = 0;
  ANX_CUDNN(cudnnBackendGetAttribute, heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr);
  for (int64_t i = 0; i < count; ++i) configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  std::vector<cudnnBackendDescriptor_t> filled = raw(configs);
  ANX_CUDNN(cudnnBackendGetAttribute, heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, filled.data());
  while (int64_t(configs.size()) > count) configs.pop_back();
  return configs;
}

bool is_allowed(const CudnnDescriptor& config, bool tensor_cores) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t filled = engine.raw();
  int64_t count = 0;
  ANX_CUDNN(cudnnBackendGetAttribute, config.raw(), CUDNN_ATTR_ENGINECFG_ENGINE,
            CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &filled);
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  ANX_CUDNN(cudnnBackendGetAttribute, engine.raw(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
            CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes);
  return std::none_of(notes, notes + count, [&](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
           note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
           (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !tensor_cores);
  });
}

}  // namespace

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  ANX_CUDNN(cudnnBackendCreateDescriptor, type, &raw_);
}

CudnnDescriptor::~CudnnDescriptor() {
  if (raw_) cudnn().cudnnBackendDestroyDescriptor(raw_);
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                          int64_t count, const void* values) {
  ANX_CUDNN(cudnnBackendSetAttribute, raw_, name, type, count, values);
}

void CudnnDescriptor::finalize() { ANX_CUDNN(cudnnBackendFinalize, raw_); }

bool CudnnDescriptor::try_finalize() {
  return cudnn().cudnnBackendFinalize(raw_) == CUDNN_STATUS_SUCCESS;
}

void CudnnPlan::run(cudnnHandle_t handle, const CudnnOperands& operands, void* workspace) {
  std::vector<int64_t> ids = {kX, kW, kY};
  std::vector<void*> pointers = {operands.x, operands.w, operands.y};
  if (operands.bias) {
    ids.push_back(kBias);
    pointers.push_back(operands.bias);
  }
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, int64_t(pointers.size()),
           pointers.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
  pack.finalize();
  const std::lock_guard lock(mutex_);
  ANX_CUDNN(cudnnBackendExecute, handle, plan_.raw(), pack.raw());
}

std::unique_ptr<CudnnPlan> make_cudnn_plan(const CudnnTarget& target, const ConvProblem& problem,
                                           CudnnPass pass, bool tf32, size_t workspace_limit) {
  const std::vector<CudnnDescriptor> ops = operations(problem, pass);
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target.handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, int64_t(ops.size()),
            raw(ops).data());
  if (!graph.try_finalize()) return nullptr;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const CudnnDescriptor& config : proposals(target, graph, mode)) {
      if (!is_allowed(config, tf32 || problem.dtype == DType::bf16)) continue;
      CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      if (target.handle) {
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
      } else {
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.properties);
      }
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
      if (!plan.try_finalize()) continue;
      int64_t bytes = 0, count = 0;
      ANX_CUDNN(cudnnBackendGetAttribute, plan.raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                CUDNN_TYPE_INT64, 1, &count, &bytes);
      if (size_t(bytes) > workspace_limit) continue;
      return std::make_unique<CudnnPlan>(std::move(plan), size_t(bytes));
    }
  return nullptr;
}

}  // namespace alexnet
