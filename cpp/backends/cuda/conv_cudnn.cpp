// The "cudnn" engine: cuDNN plans for the three passes of a convolution, cached for the life of the
// process by problem, precision and device.
#include <array>
#include <cstdio>
#include <map>

#include "backends/cuda/bias_gradient.h"
#include "backends/cuda/conv_engines.h"
#include "backends/cuda/cuda_device.h"
#include "backends/cuda/cuda_stream.h"
#include "backends/cuda/cudnn_plan.h"
#include "ops/run.h"

namespace alexnet {
namespace {

constexpr size_t kWorkspaceLimit = size_t(1) << 30;

using Plans = ConvPlans<CudnnPlan>;

// Returns null if cuDNN has no plan for this pass.
std::shared_ptr<CudnnPlan> plan_for(int device, const ConvProblem& p, CudnnPass pass, bool tf32) {
  using Key = std::array<int, 18>;
  const Key key = {device,  p.x.n,   p.x.c,      p.x.h,        p.x.w,      p.y.c,
                   p.y.h,   p.y.w,   p.kernel_h, p.kernel_w,   p.stride_h, p.stride_w,
                   p.pad_h, p.pad_w, p.groups,   int(p.dtype), int(tf32),  int(pass)};
  // Never destroyed: at exit cuDNN may be unloaded before these objects would be destroyed.
  static auto& mutex = *new std::mutex;
  static auto& known = *new std::map<Key, std::shared_ptr<CudnnPlan>>;
  static auto& handles = *new std::map<int, std::unique_ptr<CudnnHandle>>;  // by device
  const std::lock_guard lock(mutex);
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  std::unique_ptr<CudnnHandle>& handle = handles[device];
  if (!handle) handle = std::make_unique<CudnnHandle>(device);
  return known[key] = make_cudnn_plan({.handle = handle->get()}, p, pass, tf32, kWorkspaceLimit);
}

size_t aligned(size_t bytes) { return (bytes + 255) / 256 * 256; }

template <class T>
class ConvCudnn final : public ConvEngine {
  using C = Compute<T>;

 public:
  // `planned`: the problem itself, or the same problem with the padding stored in the image.
  ConvCudnn(const ConvProblem& problem, const ConvProblem& planned, Plans plans)
      : p_(problem), planned_(planned), plans_(std::move(plans)) {}

  const char* name() const override { return "cudnn"; }
  int output_block() const override { return 1; }
  size_t workspace_bytes() const override {
    const auto bytes = [&](const std::shared_ptr<CudnnPlan>& plan, size_t before = 0) {
      return plan ? image_bytes() + before + plan->workspace_bytes() : 0;
    };
    return std::max({bytes(plans_.forward), bytes(plans_.fused, bias_bytes()), bytes(plans_.data),
                     bytes(plans_.weights, gradient_bytes()), bias_gradient_bytes(p_.y, p_.dtype)});
  }

  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    x = padded(stream, x, work);
    work = after(work, image_bytes());
    if (b && relu && plans_.fused) {
      const AnyView bias = in_dtype(stream, b, work);
      run(stream, plans_.fused, {x.data, w.data, y.data, bias.data}, after(work, bias_bytes()));
      return;
    }
    run(stream, plans_.forward, {x.data, w.data, y.data}, work);
    if (b || relu) alexnet::run(stream, AddBias<T, T>{relu, y, b, y});
  }

  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    const AnyView whole = in_workspace(dx, work);
    run(stream, plans_.data, {whole.data, w.data, dy.data}, after(work, image_bytes()));
    if (pads()) alexnet::run(stream, Pad<T>{-p_.pad_h, -p_.pad_w, whole, dx});
  }

  // cuDNN overwrites its output: the result goes to the workspace and is added from there.
  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    if (db) bias_gradient(static_cast<CudaStream&>(stream), dy, db, work);
    if (!dw) return;
    x = padded(stream, x, work);
    work = after(work, image_bytes());
    AnyView own = dw;
    own.data = work;
    own.dtype = p_.dtype;
    run(stream, plans_.weights, {x.data, own.data, dy.data}, after(work, gradient_bytes()));
    alexnet::run(stream, Add<C, T>{own, dw});
  }

 private:
  static void run(Stream& stream, const std::shared_ptr<CudnnPlan>& shared, const CudnnOperands& o,
                  void* work) {
    require<InternalError>(shared != nullptr, "the convolution was not prepared for this pass");
    CudnnPlan& plan = *shared;
    auto& cuda = static_cast<CudaStream&>(stream);
    cuda.fixed(key_of(8, &plan, o.x, o.w, o.y, o.bias, work), "cudnn", [&](cudaStream_t handle) {
      std::shared_ptr<CudnnHandle>& cudnn = cuda.cudnn();
      if (!cudnn) cudnn = std::make_shared<CudnnHandle>(cuda.device().index, handle);
      plan.run(cudnn->get(), o, work);
    });
  }

  // cuDNN requires the bias of a bf16 convolution in bf16.
  static AnyView in_dtype(Stream& stream, const AnyView& b, void* work) {
    if constexpr (std::is_same_v<T, C>) {
      return b;
    } else {
      AnyView rounded = b;
      rounded.data = work;
      rounded.dtype = dtype_of<T>;
      alexnet::run(stream, Cast<C, T>{b, rounded});
      return rounded;
    }
  }
  bool pads() const { return planned_.x != p_.x; }
  // The image in the planned shape: the image itself, or a padded one in the workspace.
  AnyView in_workspace(AnyView image, void* work) const {
    if (pads()) image.data = work, image.shape = planned_.x;
    return image;
  }
  AnyView padded(Stream& stream, const AnyView& x, void* work) const {
    const AnyView whole = in_workspace(x, work);
    if (pads()) alexnet::run(stream, Pad<T>{p_.pad_h, p_.pad_w, x, whole});
    return whole;
  }
  size_t image_bytes() const {
    return pads() ? aligned(size_t(planned_.x.count()) * sizeof(T)) : 0;
  }

  static void* after(void* work, size_t bytes) { return static_cast<char*>(work) + bytes; }
  size_t bias_bytes() const {
    return std::is_same_v<T, C> ? 0 : aligned(size_t(p_.y.c) * sizeof(T));
  }
  size_t gradient_bytes() const { return aligned(size_t(p_.weight().count()) * sizeof(T)); }

  ConvProblem p_, planned_;
  Plans plans_;
};

}  // namespace

std::unique_ptr<ConvEngine> make_conv_cudnn(CudaDevice& device, const ConvProblem& problem,
                                            const ConvPasses& passes, std::string& why) {
  if (problem.dtype == DType::f64) {
    why = "cuDNN is only used for float32 and bfloat16";
    return nullptr;
  }
  if (!find_cudnn(why)) return nullptr;
  const int index = device.id().index;
  const OnDevice here(index);
  const ConvProblem planned = is_padded_evenly(problem) ? problem : with_padding_in_image(problem);
  Plans plans;
  try {
    plans = plans_of<CudnnPlan>(
        passes, [&](CudnnPass pass) { return plan_for(index, planned, pass, device.tf32()); });
  } catch (const DeviceError& e) {
    why = format("cuDNN failed on {} ({})", to_string(device.id()), e.what());
    return nullptr;
  }
  if (plans.missing) {
    why = format(
        "cuDNN has no deterministic plan with a workspace of at most {} MiB for the pass '{}' of a "
        "convolution of {}",
        kWorkspaceLimit >> 20, name_of(*plans.missing), to_string(problem.x));
    return nullptr;
  }
  if (problem.dtype == DType::bf16)
    return std::make_unique<ConvCudnn<bf16>>(problem, planned, std::move(plans));
  return std::make_unique<ConvCudnn<float>>(problem, planned, std::move(plans));
}

}  // namespace alexnet
