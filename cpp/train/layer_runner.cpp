#include "train/layer_runner.h"

#include <algorithm>

#include "ops/run.h"

namespace alexnet {
namespace {

AnyView in_block(const Tensor& tensor, int block) {
  AnyView view = tensor.view();
  view.block = block;
  return view;
}

std::vector<AnyView> views(const std::vector<Tensor>& tensors, int block = 1) {
  std::vector<AnyView> out;
  for (const Tensor& t : tensors) out.push_back(in_block(t, block));
  return out;
}

void reorder(Stream& stream, const AnyView& x, const AnyView& y) {
  for_dtype(x.dtype, [&](auto t) { run(stream, Reorder<decltype(t)>{x, y}); });
}

void cast(Stream& stream, const AnyView& x, const AnyView& y) {
  if (x.dtype == DType::f32) {
    run(stream, Cast<float, bf16>{x, y});
  } else {
    run(stream, Cast<bf16, float>{x, y});
  }
}

}  // namespace

// Waits for the enqueued work when a function ends, also after an exception: uploads read the
// caller's memory and write to tensors that may be released next.
struct DoneAtTheEnd {
  Stream& stream;
  ~DoneAtTheEnd() {
    try {
      stream.synchronize();
    } catch (const Error&) {  // the exception being thrown is more specific
    }
  }
};

// Fills with NaN, so that reading unwritten memory or leaving outputs unwritten is detected.
void LayerRunner::poison(const Tensor& tensor) {
  const std::vector<char> ones(size_t(tensor.view().bytes()), char(0xff));
  stream_->upload(ones.data(), tensor.view());
  stream_->synchronize();
}

std::vector<Tensor> LayerRunner::tensors(const std::vector<Shape>& shapes, DType dtype) {
  std::vector<Tensor> out;
  for (const Shape& s : shapes) {
    out.emplace_back(*device_, s, dtype);
    poison(out.back());
  }
  return out;
}

void LayerRunner::upload(const void* from, const AnyView& to) {
  const bool casts = to.dtype != compute_type();
  if (to.block == 1 && !casts) return stream_->upload(from, to);
  const Tensor given(*device_, to.shape, compute_type());
  Tensor planes;
  stream_->upload(from, given.view());
  if (casts) {
    planes = Tensor(*device_, to.shape, to.dtype);
    cast(*stream_, given.view(), planes.view());
  }
  reorder(*stream_, (casts ? planes : given).view(), to);
  stream_->synchronize();
}

void LayerRunner::download(const AnyView& from, void* to) {
  const bool casts = from.dtype != compute_type();
  if (from.block == 1 && !casts) return stream_->download(from, to);
  const Tensor planes(*device_, from.shape, from.dtype);
  Tensor wide;
  reorder(*stream_, from, planes.view());
  if (casts) {
    wide = Tensor(*device_, from.shape, compute_type());
    cast(*stream_, planes.view(), wide.view());
  }
  stream_->download((casts ? wide : planes).view(), to);
  stream_->synchronize();
}

LayerRunner::LayerRunner(const std::string& type, const Attrs& attrs,
                         const std::vector<Shape>& inputs, const std::string& device,
                         const Precision& precision, const std::string& name, int threads,
                         bool reads_image)
    : dtype_(precision.dtype), inputs_(inputs), reads_image_(reads_image) {
  const DeviceId id = parse_device(device);
  const DType dtype = dtype_;
  device_ = backend(id.kind).make_device(id, threads > 0 ? threads : available_threads());
  apply(*device_, precision);
  stream_ = device_->make_stream();
  stream_->set_label("layer", Phase::other);
  layer_ = make_layer(type, name, dtype, attrs);
  PlanContext context{*device_, dtype, 1, reads_image};
  // As after a direct convolution in a network: channel blocks if the channels are a multiple.
  const int block = device_->channel_block(dtype);
  const bool divides =
      std::all_of(inputs.begin(), inputs.end(), [&](const Shape& s) { return s.c % block == 0; });
  context.block = block_ = layer_->input_block(divides ? block : 1, inputs[0], context);
  plan_ = layer_->plan(context, inputs);
  layer_->prepare({std::vector<bool>(inputs.size(), !reads_image),
                   std::vector<bool>(plan_.params.size(), true)},
                  plan_);
  const DType out = plan_.compute_outputs ? compute_type() : dtype;
  in_ = tensors(inputs, dtype);
  d_in_ = tensors(inputs, dtype);
  out_ = tensors(plan_.outputs, out);
  d_out_ = tensors(plan_.outputs, out);
  for (const ParamSpec& p : plan_.params) {
    params_.push_back(std::move(tensors({p.shape}, p.compute_type ? compute_type() : dtype)[0]));
    d_params_.push_back(std::move(tensors({p.shape}, compute_type())[0]));
  }
  for (const ParamSpec& p : plan_.state) {
    state_.push_back(std::move(tensors({p.shape}, compute_type())[0]));
    change_.push_back(std::move(tensors({p.shape}, compute_type())[0]));
  }
  saved_ = tensors(plan_.saved, compute_type());
  workspace_ = Tensor(*device_, {int(plan_.workspace_bytes / 256) + 1, 64, 1, 1}, DType::f32);
  poison(workspace_);
  labels_ = Tensor(*device_, {inputs[0].n, 1, 1, 1}, DType::i32);
  stream_->synchronize();
}

void LayerRunner::forward(const std::vector<const void*>& inputs,
                          const std::vector<const void*>& params, const StepContext& step,
                          const std::vector<void*>& outputs,
                          const std::vector<const void*>& state) {
  require<ConfigError>(state.size() == state_.size(), "state: {} arrays, expected {}", state.size(),
                       state_.size());
  const DoneAtTheEnd at_the_end{*stream_};
  step_ = step;
  for (size_t i = 0; i < in_.size(); ++i) upload(inputs[i], in_block(in_[i], block_));
  for (size_t i = 0; i < params_.size(); ++i) upload(params[i], params_[i].view());
  for (size_t i = 0; i < state_.size(); ++i) upload(state[i], state_[i].view());
  for (Tensor& t : d_params_) stream_->fill_zero(t.view());
  for (Tensor& t : change_) stream_->fill_zero(t.view());
  if (step.labels) {
    for (int i = 0; i < inputs_[0].n; ++i)
      require<ConfigError>(step.labels[i] >= 0 && step.labels[i] < inputs_[0].c,
                           "label {} of image {} is outside 0..{}", step.labels[i], i,
                           inputs_[0].c - 1);
    stream_->upload(step.labels.data, labels_.view());
    step_.labels = labels_.view();
  }
  layer_->forward(*stream_, {.step = step_,
                             .in = views(in_, block_),
                             .out = views(out_, plan_.block),
                             .params = views(params_),
                             .saved = views(saved_, plan_.block),
                             .state = views(state_),
                             .state_change = step.training ? views(change_)
                                                           : std::vector<AnyView>(change_.size()),
                             .workspace = workspace_.view().data});
  for (size_t i = 0; i < out_.size(); ++i) download(in_block(out_[i], plan_.block), outputs[i]);
  stream_->synchronize();
}

void LayerRunner::backward(const std::vector<const void*>& d_outputs,
                           const std::vector<void*>& d_inputs, const std::vector<void*>& d_params) {
  const DoneAtTheEnd at_the_end{*stream_};
  for (size_t i = 0; i < d_out_.size(); ++i) upload(d_outputs[i], in_block(d_out_[i], plan_.block));
  BackwardIO io{.step = step_,
                .in = views(in_, block_),
                .out = views(out_, plan_.block),
                .params = views(params_),
                .saved = views(saved_, plan_.block),
                .d_out = views(d_out_, plan_.block),
                .d_in = views(d_in_, block_),
                .d_params = views(d_params_),
                .workspace = workspace_.view().data};
  // As in a network: values that backward does not read are not available.
  if (!plan_.backward_reads_input)
    for (AnyView& v : io.in) v.data = nullptr;
  if (!plan_.backward_reads_output)
    for (AnyView& v : io.out) v.data = nullptr;
  if (reads_image_)
    for (AnyView& v : io.d_in) v.data = nullptr;
  layer_->backward(*stream_, io);
  for (size_t i = 0; i < d_in_.size(); ++i) download(in_block(d_in_[i], block_), d_inputs[i]);
  for (size_t i = 0; i < d_params_.size(); ++i) stream_->download(d_params_[i].view(), d_params[i]);
  stream_->synchronize();
}

void LayerRunner::state(size_t index, void* out) {
  const AnyView state = state_[index].view(), change = change_[index].view();
  if (compute_type() == DType::f64)
    run(*stream_, ApplyChange<double>{state, change});
  else
    run(*stream_, ApplyChange<float>{state, change});
  download(state, out);
  stream_->synchronize();
}

void LayerRunner::saved(size_t index, void* out) {
  download(in_block(saved_[index], plan_.block), out);
  stream_->synchronize();
}

}  // namespace alexnet
