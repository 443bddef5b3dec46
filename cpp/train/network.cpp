#include "train/network.h"

#include <algorithm>
#include <cmath>

#include "graph/plan_nodes.h"
#include "train/compiled.h"
#include "train/gradient_reducer.h"

namespace alexnet {

Network::Network(Description description, const NetworkOptions& options)
    : description_(checked(std::move(description))), options_(options) {
  require<ConfigError>(options.devices.size() == 1 || options.devices.size() == 2,
                       "a network runs on one device or two, not {}", options.devices.size());
  std::vector<DeviceId> ids;
  for (const std::string& name : options.devices) ids.push_back(parse_device(name));
  const bool two = ids.size() == 2;
  const bool shared = two && ids[0] == ids[1];
  const int threads = options.threads > 0 ? options.threads : available_threads();
  require<ConfigError>(threads <= 1024, "{} threads are too many", threads);

  const size_t count = two && !shared ? 2 : 1;
  for (size_t i = 0; i < count; ++i) {
    const int share = std::max(1, (threads + int(i == 0 ? count - 1 : 0)) / int(count));
    devices_.push_back(backend(ids[i].kind).make_device(ids[i], share));
    apply(*devices_[i], options.precision);
    streams_.push_back(devices_[i]->make_stream());
    device_list_.push_back(devices_[i].get());
    stream_list_.push_back(streams_[i].get());
    augmenters_.push_back(std::make_unique<DeviceAugmenter>(*devices_[i]));
  }

  shapes_ = output_shapes(description_, *devices_[0], options.precision.dtype, 1);
  output_ = shapes_.at(description_.layers.back().name);
  bool has_towers = false;
  for (const LayerDesc& layer : description_.layers) {
    has_towers |= layer.towers == 2;
    require<ConfigError>(layer.device == 0 || layer.device == 1,
                         "layer '{}': device must be 0 or 1, got {}", layer.name, layer.device);
  }
  require<ConfigError>(
      !two || has_towers,
      "the network has no layers with towers = 2, so it runs on one device; got {} "
      "and {}",
      options.devices[0], options.devices.back());
  placed_ = two ? split_towers(description_, shapes_) : description_;
  if (count == 1)
    for (LayerDesc& layer : placed_.layers) layer.device = 0;
  placed_ = insert_copies(placed_);
  // Planned for their parameters alone: no layer is prepared to run.
  const PlannedNodes planned =
      plan_nodes(placed_, device_list_, {.fuse = options.fuse, .dtype = options.precision.dtype});
  parameters_ = std::make_unique<Parameters>(planned.program, device_list_, stream_list_,
                                             options.seed, threads);
}

Network::~Network() {
  if (waiting_steps() == 0) return;
  try {
    synchronize();          // what is enqueued uses the memory of this network
  } catch (const Error&) {  // nobody is left to hear of it
  }
}

std::vector<std::string> Network::layer_names() const {
  std::vector<std::string> names;
  for (const LayerDesc& layer : description_.layers) names.push_back(layer.name);
  return names;
}

void Network::set_update(const std::string& name, const UpdateRule& rule) {
  parameters_->set_rule(name, rule);
}

// GPUs make all updates in one kernel, and replay whole steps.
bool Network::updates_at_once() const {
  for (const Device* device : device_list_)
    if (device->threads() == 0) return false;
  return !options_.shares_gradients;
}

Program Network::build(int images, Work work, const std::set<std::string>& keep) const {
  require<ConfigError>(images > 0, "a batch must hold at least one image, got {}", images);
  BuildOptions options{.images = images,
                       .training = work != Work::test,
                       .fuse = options_.fuse,
                       .dtype = options_.precision.dtype,
                       .keep = keep,
                       .updates = work == Work::step};
  for (const std::string& name : parameters_->names())
    if (parameters_->rule(name).lr == 0) options.frozen.insert(name);
  Program program = build_program(placed_, device_list_, options);
  plan_memory(program);
  order_streams(program);
  return program;
}

Network::Compiled& Network::compiled(int images, Work work, const std::string& feature) {
  std::set<std::string> frozen;
  if (work != Work::test)
    for (const std::string& name : parameters_->names())
      if (parameters_->rule(name).lr == 0) frozen.insert(name);
  const auto found = std::find_if(cache_.begin(), cache_.end(), [&](const auto& c) {
    return c->images == images && c->work == work && c->feature == feature && c->frozen == frozen;
  });
  if (found != cache_.end()) {
    cache_.splice(cache_.begin(), cache_, found);
  } else {
    if (waiting_steps() > 0) synchronize();  // what runs uses what may go
    std::set<std::string> keep;
    if (!feature.empty())
      for (const LayerDesc& layer : placed_.layers)
        if (layer.whole == feature) keep.insert(layer.name);
    cache_.emplace_front(new Compiled{images,
                                      work,
                                      feature,
                                      std::move(frozen),
                                      Executor(build(images, work, keep), stream_list_),
                                      {}});
    constexpr size_t kCached = 6;  // training, evaluation, and their last smaller batches
    if (cache_.size() > kCached) cache_.pop_back();
  }
  Compiled& c = *cache_.front();

  const std::vector<size_t>& sizes = c.executor.program().arena_bytes;
  arenas_.resize(sizes.size());
  std::vector<void*>& arenas = arena_data_;
  arenas.clear();
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t units = int64_t(sizes[i] / 256) + 1;
    if (!arenas_[i] || arenas_[i].view().shape.n < units) {
      arenas_[i] = Tensor();
      arenas_[i] = Tensor(*devices_[i], {int(units), 64, 1, 1}, DType::f32);
    }
    arenas.push_back(arenas_[i].view().data);
  }
  if (c.bound_to != arenas) {
    c.executor.bind(
        arenas,
        [&](const ParamUse& use) { return parameters_->views(use, work == Work::gradients); },
        [this](const ParamUse& use, const AnyView& g) { parameters_->update(use, g); });
    c.bound_to = arenas;
  }
  return c;
}

void Network::synchronize() {
  // All of them, also after an error: nothing may still read the caller's memory.
  std::exception_ptr error;
  for (Stream* stream : stream_list_) {
    try {
      stream->synchronize();
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  try {
    if (queue_) queue_->synchronize();
  } catch (...) {
    if (!error) error = std::current_exception();
  }
  keep_records();
  if (error) std::rethrow_exception(error);
}

Stream& Network::stream_of(const Program& program, int buffer) {
  return *stream_list_[size_t(program.buffers[size_t(buffer)].device)];
}

StepResult Network::run(Compiled& c, const Batch& batch, const StepContext& step,
                        GradientReducer* reducer) {
  return scores_of(c, batch, step, [&](const StepContext& context) {
    if (reducer) reducer->begin(&c.executor.program());
    c.executor.run(context, reducer);
    if (reducer) reducer->finish();
  });
}

// Uploads the batch, does work(context) on it, and reads its scores; blocking.
template <class F>
StepResult Network::scores_of(Compiled& c, const Batch& batch, StepContext context, F&& work) {
  const Program& program = c.executor.program();
  forget_records();
  // Before the first upload: from there on the caller's memory is in use until synchronize().
  require<ConfigError>(!batch.labels || program.scores >= 0,
                       "the last layer must be softmax to score labels");
  upload_images(c.executor, batch);
  if (batch.labels) {
    const AnyView labels = c.executor.view(program.labels);
    Stream& stream = stream_of(program, program.labels);
    stream.set_label("labels", Phase::upload);
    stream.upload(batch.labels, labels);
    context.labels = labels;
  }
  try {
    work(context);
    if (batch.labels) {
      const AnyView view = c.executor.view(program.scores);
      scores_.resize(size_t(view.bytes()));
      Stream& stream = stream_of(program, program.scores);
      stream.set_label("scores", Phase::download);
      stream.download(view, scores_.data());
    }
  } catch (...) {
    synchronize();
    throw;
  }
  synchronize();

  if (!batch.labels) return {.images = batch.count};
  return result_of(scores_.data(), batch.count);
}

StepResult Network::result_of(const void* scores, int images) const {
  StepResult result;
  result.images = images;
  const auto value = [&](int64_t i) {
    return compute_type() == DType::f64 ? static_cast<const double*>(scores)[i]
                                        : double(static_cast<const float*>(scores)[i]);
  };
  for (int64_t i = 0; i < images; ++i) {
    result.loss += value(3 * i);
    result.top1 += value(3 * i + 1);
    result.top5 += value(3 * i + 2);
  }
  return result;
}

StepResult Network::forward_backward(const Batch& batch, uint64_t step, int64_t first_image,
                                     int64_t total, GradientReducer* reducer) {
  check_labels(batch);
  parameters_->will_accumulate();
  Compiled& c = compiled(batch.count, Work::gradients);
  try {
    return run(c, batch, training_context(step, first_image, total > 0 ? total : batch.count),
               reducer);
  } catch (const DeviceError&) {
    parameters_->drop_gradients();
    throw;
  }
}

StepContext Network::training_context(uint64_t step, int64_t first_image, int64_t total) const {
  StepContext context;
  context.training = true;
  context.seed = options_.seed;
  context.step = step;
  context.first_image = first_image;
  context.loss_scale = 1.0 / double(total);
  return context;
}

void Network::update() {
  parameters_->update();
  synchronize();
}

StepResult Network::train_step(const Batch& batch, uint64_t step) {
  if (!updates_at_once() || parameters_->accumulated()) {
    const StepResult result = forward_backward(batch, step, 0, 0);
    if (std::isfinite(result.loss)) update();
    return result;
  }
  check_labels(batch);
  Compiled& c = compiled(batch.count, Work::step);
  const StepResult result =
      scores_of(c, batch, training_context(step, 0, batch.count),
                [&](const StepContext& context) { c.executor.run_forward(context); });
  if (std::isfinite(result.loss)) {
    c.executor.run_backward();
    synchronize();
  }
  return result;
}

}  // namespace alexnet
