// Runs a single layer on one device, for the layer tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/tensor.h"
#include "layers/layer.h"
#include "train/precision.h"

namespace alexnet {

class LayerRunner {
 public:
  LayerRunner(const std::string& type, const Attrs& attrs, const std::vector<Shape>& inputs,
              const std::string& device, const Precision& precision, const std::string& name,
              int threads, bool reads_image);

  DType compute_type() const { return compute_dtype(dtype_); }  // the type of all host memory
  const LayerPlan& plan() const { return plan_; }
  const std::vector<Shape>& inputs() const { return inputs_; }

  // Arguments are host memory in the order of the plan; blocking. `step.labels` is host memory too.
  void forward(const std::vector<const void*>& inputs, const std::vector<const void*>& params,
               const StepContext& step, const std::vector<void*>& outputs,
               const std::vector<const void*>& state = {});
  void backward(const std::vector<const void*>& d_outputs, const std::vector<void*>& d_inputs,
                const std::vector<void*>& d_params);
  void saved(size_t index, void* out);
  void state(size_t index, void* out);  // after the update of this step

 private:
  void poison(const Tensor& tensor);
  std::vector<Tensor> tensors(const std::vector<Shape>& shapes, DType dtype);
  // Host memory is in planes and the compute type; the layer's tensors may be in channel blocks and
  // the network's dtype.
  void upload(const void* from, const AnyView& to);
  void download(const AnyView& from, void* to);

  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  DType dtype_;
  std::vector<Shape> inputs_;
  std::unique_ptr<Layer> layer_;
  int block_ = 1;  // channel block of the inputs
  bool reads_image_;
  LayerPlan plan_;
  std::vector<Tensor> in_, out_, params_, state_, change_, saved_, d_in_, d_out_, d_params_;
  Tensor workspace_, labels_;
  StepContext step_;
};

}  // namespace alexnet
