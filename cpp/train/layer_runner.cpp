#include "train/layer_runner.h"

namespace alexnet {
namespace {

std::vector<AnyView> views(const std::vector<Tensor>& tensors) {
  std::vector<AnyView> out;
  for (const Tensor& t : tensors) out.push_back(t.view());
  return out;
}

}  // namespace

std::vector<Tensor> LayerRunner::tensors(const std::vector<Shape>& shapes) {
  std::vector<Tensor> out;
  for (const Shape& s : shapes) {
    out.emplace_back(*device_, s, dtype_);
    stream_->fill_zero(out.back().view());
  }
  return out;
}

LayerRunner::LayerRunner(const std::string& type, const Attrs& attrs,
                         const std::vector<Shape>& inputs, const std::string& device, DType dtype,
                         const std::string& name, int threads)
    : dtype_(dtype), inputs_(inputs) {
  const DeviceId id = parse_device(device);
  device_ = backend(id.kind).make_device(id, threads > 0 ? threads : available_threads());
  stream_ = device_->make_stream();
  stream_->set_label("layer");
  layer_ = make_layer(type, name, dtype, attrs);
  plan_ = layer_->plan({*device_, dtype}, inputs);
  std::vector<Shape> param_shapes;
  for (const ParamSpec& p : plan_.params) param_shapes.push_back(p.shape);
  in_ = tensors(inputs);
  d_in_ = tensors(inputs);
  out_ = tensors(plan_.outputs);
  d_out_ = tensors(plan_.outputs);
  params_ = tensors(param_shapes);
  d_params_ = tensors(param_shapes);
  saved_ = tensors(plan_.saved);
  workspace_ = Tensor(*device_, {int(plan_.workspace_bytes / 256) + 1, 64, 1, 1}, DType::f32);
  labels_ = Tensor(*device_, {inputs[0].n, 1, 1, 1}, DType::i32);
  stream_->synchronize();
}

void LayerRunner::forward(const std::vector<const void*>& inputs,
                          const std::vector<const void*>& params, const StepContext& step,
                          const std::vector<void*>& outputs) {
  step_ = step;
  for (size_t i = 0; i < in_.size(); ++i) stream_->upload(inputs[i], in_[i].view());
  for (size_t i = 0; i < params_.size(); ++i) stream_->upload(params[i], params_[i].view());
  for (Tensor& t : d_params_) stream_->fill_zero(t.view());
  if (step.labels) {
    stream_->upload(step.labels.data, labels_.view());
    step_.labels = labels_.view();
  }
  layer_->forward(*stream_, {.step = step_, .in = views(in_), .out = views(out_),
                             .params = views(params_), .saved = views(saved_),
                             .workspace = workspace_.view().data});
  for (size_t i = 0; i < out_.size(); ++i) stream_->download(out_[i].view(), outputs[i]);
  stream_->synchronize();
}

void LayerRunner::backward(const std::vector<const void*>& d_outputs,
                           const std::vector<void*>& d_inputs,
                           const std::vector<void*>& d_params) {
  for (size_t i = 0; i < d_out_.size(); ++i) stream_->upload(d_outputs[i], d_out_[i].view());
  BackwardIO io{.step = step_, .in = views(in_), .out = views(out_), .params = views(params_),
                .saved = views(saved_), .d_out = views(d_out_), .d_in = views(d_in_),
                .d_params = views(d_params_), .workspace = workspace_.view().data};
  // As in a network: what the plan does not ask for is not there.
  if (!plan_.backward_reads_input)
    for (AnyView& v : io.in) v.data = nullptr;
  if (!plan_.backward_reads_output)
    for (AnyView& v : io.out) v.data = nullptr;
  layer_->backward(*stream_, io);
  for (size_t i = 0; i < d_in_.size(); ++i) stream_->download(d_in_[i].view(), d_inputs[i]);
  for (size_t i = 0; i < d_params_.size(); ++i)
    stream_->download(d_params_[i].view(), d_params[i]);
  stream_->synchronize();
}

void LayerRunner::saved(size_t index, void* out) {
  stream_->download(saved_[index].view(), out);
  stream_->synchronize();
}

}  // namespace alexnet
