#include "backends/cuda/cudnn_plan.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/errors.h"
#include "ops/window.h"

namespace alexnet {
namespace {

// Ids of tensors. The last two are intermediate results of fused operations and never in memory.
enum : int64_t { kX = 1, kW, kY, kBias, kProduct, kSum };

cudnnDataType_t data_type(DType t) {
  return t == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

// The part of a convolution that one plan computes: one group, or all groups. Strides and steps are
// in elements.
struct Part {
  ConvProblem conv;                // with the channels and groups of this part
  int64_t x_image, y_image;        // stride from one image to the next
  int64_t x_step, w_step, y_step;  // step from this part to the next; 0: there is no other part

  int64_t k_step() const { return y_step / conv.y.plane(); }
};

Part whole(const ConvProblem& p) { return {p, p.x.per_image(), p.y.per_image(), 0, 0, 0}; }

Part one_group(const ConvProblem& p) {
  Part part = whole(p);
  part.conv.x.c /= p.groups;
  part.conv.y.c /= p.groups;
  part.conv.groups = 1;
  part.x_step = part.conv.x.per_image();
  part.w_step = part.conv.weight().count();
  part.y_step = part.conv.y.per_image();
  return part;
}

// Alignment of the addresses of all parts: the largest power of two that divides the step in bytes,
// at most 64.
int64_t alignment(int64_t step, DType dtype) {
  const int64_t bytes = step * int64_t(size_of(dtype));
  return bytes == 0 ? 64 : std::min<int64_t>(64, bytes & -bytes);
}

CudnnDescriptor tensor(int64_t id, const Shape& s, DType dtype, int64_t image, int64_t step) {
  const std::array<int64_t, 4> sizes = {s.n, s.c, s.h, s.w};
  const std::array<int64_t, 4> strides = {image, s.plane(), s.w, 1};
  CudnnDescriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, data_type(dtype));
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  t.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment(step, dtype));
  if (id >= kProduct) t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
  t.finalize();
  return t;
}

// The number of groups follows from the channels of x and w.
CudnnDescriptor convolution(const ConvProblem& p) {
  const std::array<int64_t, 2> strides = {p.stride_h, p.stride_w}, dilations = {1, 1};
  const std::array<int64_t, 2> padding = {p.pad_h, p.pad_w};
  CudnnDescriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  c.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t(2));
  c.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilations);
  c.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, strides);
  c.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, padding);
  c.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, padding);
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

// Finalised descriptors keep copies of the descriptors they contain, so only the operations are
// returned.
std::vector<CudnnDescriptor> operations(const Part& part, CudnnPass pass) {
  const ConvProblem& p = part.conv;
  const Shape weight = p.weight();
  const CudnnDescriptor conv = convolution(p),
                        x = tensor(kX, p.x, p.dtype, part.x_image, part.x_step),
                        w = tensor(kW, weight, p.dtype, weight.per_image(), part.w_step),
                        y = tensor(kY, p.y, p.dtype, part.y_image, part.y_step);
  std::vector<CudnnDescriptor> ops;
  switch (pass) {
    case CudnnPass::forward:
    case CudnnPass::forward_bias_relu: {
      const bool fused = pass == CudnnPass::forward_bias_relu;
      const CudnnDescriptor product = tensor(
          fused ? kProduct : kY, p.y, fused ? DType::f32 : p.dtype, part.y_image, part.y_step);
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
      const CudnnDescriptor bias = tensor(kBias, {1, p.y.c, 1, 1}, p.dtype, p.y.c, part.k_step()),
                            sum = tensor(kSum, p.y, DType::f32, part.y_image, part.y_step);
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

// The engine configurations that the heuristics propose, best first.
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

template <class T>
int64_t read(const CudnnDescriptor& from, cudnnBackendAttributeName_t name,
             cudnnBackendAttributeType_t type, int64_t most, T* values) {
  int64_t count = 0;
  ANX_CUDNN(cudnnBackendGetAttribute, from.raw(), name, type, most, &count, values);
  return std::min(count, most);
}

// Whether an engine gives the same bits in every run and keeps to the requested precision. The
// other exclusions are errors found with cuDNN 9.19 on an H100 (docs/gpu) that the notes of the
// engines do not mention.
bool is_allowed(const CudnnDescriptor& config, const Part& part, CudnnPass pass,
                bool tensor_cores) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t filled = engine.raw();
  read(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &filled);
  // A Winograd engine: for 5x5 kernels the error of its gradients is 0.008 of the largest value.
  int64_t index = 0;
  read(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index);
  const bool large = std::max(part.conv.kernel_h, part.conv.kernel_w) > 3;
  if (pass == CudnnPass::backward_weights && index == 17 && large) return false;
  // An engine compiled at run time assumed that images are contiguous when they are not.
  cudnnBackendBehaviorNote_t behaviour[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
  int64_t count = read(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                       CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, behaviour);
  if (part.x_step > 0 && std::find(behaviour, behaviour + count,
                                   CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) != behaviour + count)
    return false;
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  count = read(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
               CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes);
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
  const auto at = [](void* first, int64_t step, int part) {
    return static_cast<char*>(first) + step * part;
  };
  const std::lock_guard lock(mutex_);
  for (int part = 0; part < parts_.count; ++part) {
    std::vector<int64_t> ids = {kX, kW, kY};
    std::vector<void*> pointers = {at(operands.x, parts_.x, part), at(operands.w, parts_.w, part),
                                   at(operands.y, parts_.y, part)};
    if (operands.bias) {
      ids.push_back(kBias);
      pointers.push_back(at(operands.bias, parts_.bias, part));
    }
    CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids);
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, int64_t(pointers.size()),
             pointers.data());
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
    pack.finalize();
    ANX_CUDNN(cudnnBackendExecute, handle, plan_.raw(), pack.raw());
  }
}

namespace {

std::unique_ptr<CudnnPlan> make_plan(const CudnnTarget& target, const Part& part, CudnnPass pass,
                                     bool tf32, size_t workspace_limit) {
  const std::vector<CudnnDescriptor> ops = operations(part, pass);
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target.handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, int64_t(ops.size()),
            raw(ops).data());
  if (!graph.try_finalize()) return nullptr;
  const DType dtype = part.conv.dtype;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const CudnnDescriptor& config : proposals(target, graph, mode)) {
      if (!is_allowed(config, part, pass, tf32 || dtype == DType::bf16)) continue;
      CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      if (target.handle) {
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
      } else {
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.properties);
      }
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
      if (!plan.try_finalize()) continue;
      int64_t bytes = 0;
      read(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &bytes);
      if (size_t(bytes) > workspace_limit) continue;
      const int64_t size = int64_t(size_of(dtype));
      const CudnnParts parts{1, part.x_step * size, part.w_step * size, part.y_step * size,
                             part.k_step() * size};
      return std::make_unique<CudnnPlan>(std::move(plan), size_t(bytes), parts);
    }
  return nullptr;
}

// The padding after the last pixel of an axis that gives the output its length.
int padding_after(int in, int out, int kernel, int stride, int pad) {
  if (Window{kernel, stride, pad}.windows(in, false) == out) return pad;
  return (out - 1) * stride + kernel - in - pad;
}

}  // namespace

bool is_padded_evenly(const ConvProblem& p) {
  return padding_after(p.x.h, p.y.h, p.kernel_h, p.stride_h, p.pad_h) == p.pad_h &&
         padding_after(p.x.w, p.y.w, p.kernel_w, p.stride_w, p.pad_w) == p.pad_w;
}

ConvProblem with_padding_in_image(ConvProblem p) {
  p.x.h = (p.y.h - 1) * p.stride_h + p.kernel_h;
  p.x.w = (p.y.w - 1) * p.stride_w + p.kernel_w;
  p.pad_h = p.pad_w = 0;
  return p;
}

std::unique_ptr<CudnnPlan> make_cudnn_plan(const CudnnTarget& target, const ConvProblem& problem,
                                           CudnnPass pass, bool tf32, size_t workspace_limit) {
  require<InternalError>(is_padded_evenly(problem), "cuDNN was called with uneven padding");
  if (problem.groups > 1 && (tf32 || problem.dtype == DType::bf16))
    if (auto plan = make_plan(target, one_group(problem), pass, tf32, workspace_limit)) {
      plan->repeat(problem.groups);
      return plan;
    }
  return make_plan(target, whole(problem), pass, tf32, workspace_limit);
}

}  // namespace alexnet
