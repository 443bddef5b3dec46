#include "train/replica.h"

#include <algorithm>
#include <cmath>

#include "graph/plan_nodes.h"
#include "train/compiled_program.h"
#include "train/gradient_reducer.h"

namespace alexnet {

Replica::Replica(Description description, const NetworkOptions& options)
    : description_(checked(std::move(description))), options_(options) {
  require<ConfigError>(options.devices.size() == 1 || options.devices.size() == 2,
                       "a network runs on one or two devices, got {}", options.devices.size());
  std::vector<DeviceId> ids;
  for (const std::string& name : options.devices) ids.push_back(parse_device(name));
  const bool two = ids.size() == 2;
  const bool shared = two && ids[0] == ids[1];
  const int threads = options.threads > 0 ? options.threads : available_threads();
  require<ConfigError>(threads <= 1024, "the number of threads must be at most 1024, got {}",
                       threads);

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
      "the network has no layers with towers = 2, so it can run on one device only; got {} "
      "and {}",
      options.devices[0], options.devices.back());
  placed_ = two ? split_towers(description_, shapes_) : description_;
  if (count == 1)
    for (LayerDesc& layer : placed_.layers) layer.device = 0;
  placed_ = insert_copies(placed_);
  // Planned only to find the parameters; no layer is prepared to run.
  const PlannedNodes planned =
      plan_nodes(placed_, device_list_, {.fuse = options.fuse, .dtype = options.precision.dtype});
  parameters_ = std::make_unique<Parameters>(planned.program, device_list_, stream_list_,
                                             options.seed, threads);
}

Replica::~Replica() {
  if (waiting_steps() == 0) return;
  try {
    synchronize();          // enqueued work uses the memory of this network
  } catch (const Error&) {  // a destructor cannot report it
  }
}

std::vector<std::string> Replica::layer_names() const {
  std::vector<std::string> names;
  for (const LayerDesc& layer : description_.layers) names.push_back(layer.name);
  return names;
}

void Replica::set_update(const std::string& name, const UpdateRule& rule) {
  parameters_->set_rule(name, rule);
}

// False on GPUs, which update all parameters in one kernel and replay whole steps.
bool Replica::updates_at_once() const {
  for (const Device* device : device_list_)
    if (device->threads() == 0) return false;
  return !options_.shares_gradients;
}

Program Replica::build(int images, Mode mode, const std::set<std::string>& keep) const {
  require<ConfigError>(images > 0, "a batch must hold at least one image, got {}", images);
  BuildOptions options{.images = images,
                       .training = mode != Mode::inference,
                       .fuse = options_.fuse,
                       .dtype = options_.precision.dtype,
                       .keep = keep,
                       .updates = mode == Mode::step};
  for (const std::string& name : parameters_->names())
    if (parameters_->rule(name).lr == 0) options.frozen.insert(name);
  Program program = build_program(placed_, device_list_, options);
  plan_memory(program);
  order_streams(program);
  return program;
}

Replica::Compiled& Replica::compiled(int images, Mode mode, const std::string& feature) {
  std::set<std::string> frozen;
  if (mode != Mode::inference)
    for (const std::string& name : parameters_->names())
      if (parameters_->rule(name).lr == 0) frozen.insert(name);
  const auto found = std::find_if(cache_.begin(), cache_.end(), [&](const auto& c) {
    return c->images == images && c->mode == mode && c->feature == feature && c->frozen == frozen;
  });
  if (found != cache_.end()) {
    cache_.splice(cache_.begin(), cache_, found);
  } else {
    if (waiting_steps() > 0) synchronize();  // running steps use programs that may be released
    std::set<std::string> keep;
    if (!feature.empty())
      for (const LayerDesc& layer : placed_.layers)
        if (layer.whole == feature) keep.insert(layer.name);
    cache_.emplace_front(new Compiled{images,
                                      mode,
                                      feature,
                                      std::move(frozen),
                                      Executor(build(images, mode, keep), stream_list_),
                                      {}});
    constexpr size_t kCached = 6;  // training, evaluation, and the smaller last batch of each
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
        [&](const ParamUse& use) {
          const bool accumulates = use.is_state ? mode != Mode::inference : mode == Mode::gradients;
          return parameters_->views(use, accumulates);
        },
        [this](const ParamUse& use, const AnyView& g) { parameters_->update(use, g); });
    c.bound_to = arenas;
  }
  return c;
}

void Replica::synchronize() {
  // Waits for all streams even after an error, because they may still read the caller's memory.
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

Stream& Replica::stream_of(const Program& program, int buffer) {
  return *stream_list_[size_t(program.buffers[size_t(buffer)].device)];
}

StepResult Replica::run(Compiled& c, const Batch& batch, const StepContext& step,
                        GradientReducer* reducer) {
  return scores_of(c, batch, step, [&](const StepContext& context) {
    if (reducer) reducer->begin(&c.executor.program());
    c.executor.run(context, reducer);
    if (reducer) reducer->finish();
  });
}

// Uploads the batch, calls work(context) and reads the scores; blocking.
template <class F>
StepResult Replica::scores_of(Compiled& c, const Batch& batch, StepContext context, F&& work) {
  const Program& program = c.executor.program();
  forget_records();
  // Checked before the first upload, after which the caller's memory is in use.
  require<ConfigError>(!batch.labels || program.scores >= 0,
                       "evaluation with labels needs a loss, such as softmax, as the last layer");
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

StepResult Replica::result_of(const void* scores, int images) const {
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

StepResult Replica::forward_backward(const Batch& batch, uint64_t step, int64_t first_image,
                                     int64_t total, GradientReducer* reducer) {
  check_labels(batch);
  parameters_->will_accumulate();
  Compiled& c = compiled(batch.count, Mode::gradients);
  try {
    return run(c, batch, training_context(step, first_image, total > 0 ? total : batch.count),
               reducer);
  } catch (const DeviceError&) {
    parameters_->drop_gradients();
    throw;
  }
}

StepContext Replica::training_context(uint64_t step, int64_t first_image, int64_t total) const {
  StepContext context;
  context.training = true;
  context.seed = options_.seed;
  context.step = step;
  context.first_image = first_image;
  context.loss_scale = 1.0 / double(total);
  return context;
}

void Replica::update() {
  parameters_->update();
  synchronize();
}

StepResult Replica::train_step(const Batch& batch, uint64_t step) {
  if (!updates_at_once() || parameters_->accumulated()) {
    const StepResult result = forward_backward(batch, step, 0, 0);
    if (std::isfinite(result.loss)) update();
    return result;
  }
  check_labels(batch);
  Compiled& c = compiled(batch.count, Mode::step);
  parameters_->forget_state_changes();  // left by a step that did not complete
  const StepResult result =
      scores_of(c, batch, training_context(step, 0, batch.count),
                [&](const StepContext& context) { c.executor.run_forward(context); });
  if (std::isfinite(result.loss)) {
    c.executor.run_backward();
    parameters_->update_state();
    synchronize();
  }
  return result;
}

// Enqueued training steps.

bool Replica::overlaps() const {
  for (const Device* device : device_list_)
    if (device->threads() > 0) return false;
  return true;
}

int Replica::waiting_steps() const { return queue_ ? queue_->waiting() : 0; }

void Replica::enqueue_step(const Batch& batch, uint64_t step, int64_t first_image, int64_t total) {
  check_labels(batch);
  if (total <= 0) total = batch.count;
  const bool updates = first_image + batch.count >= total;
  if (!queue_) queue_ = std::make_unique<StepQueue>(device_list_, stream_list_);
  forget_records();
  queue_->need_room();
  Compiled& c = compiled(batch.count, Mode::gradients);
  if (updates)
    parameters_->prepare_update();
  else
    parameters_->will_accumulate();
  StepContext context = training_context(step, first_image, total);
  const Program& program = c.executor.program();
  try {
    queue_->begin(batch.owner);
    feed_images(c.executor, batch);
    const AnyView labels = c.executor.view(program.labels);
    queue_->feed(batch.labels, labels, "labels");
    context.labels = labels;
    run_step(c, context, updates);
    queue_->push(c.executor.view(program.scores), batch.count, stream_of(program, program.scores));
    await_each_other();
  } catch (...) {
    for (Compiled::Recorded& recorded : c.recorded)
      if (recorded.graph) recorded.graph->cancel();
    drop_steps();
    throw;
  }
  if (profiling_) synchronize();
}

void Replica::drop_steps() noexcept {
  if (queue_) queue_->forget();
  parameters_->drop_gradients();
  try {
    synchronize();
  } catch (const Error&) {  // the first failure is reported
  }
}

void Replica::run_step(Compiled& c, const StepContext& context, bool updates) {
  const auto enqueue = [&] {
    c.executor.run(context);
    if (updates) parameters_->update();
  };
  if (profiling_) return enqueue();  // without recording, so that each task is profiled
  Compiled::Recorded& recorded = c.recorded[updates];
  if (!std::exchange(recorded.asked_for, true))
    recorded.graph = stream_list_[0]->make_step_graph(stream_list_);
  if (!recorded.graph) return enqueue();
  bool done = false;
  while (!done) {
    try {
      recorded.graph->begin();
      enqueue();
      done = recorded.graph->end();
    } catch (const DeviceError& e) {
      if (!recorded.graph->give_up(e.what())) throw;
    }
  }
}

// Makes every stream wait for the work enqueued on all others: the next step reuses their memory.
void Replica::await_each_other() {
  if (stream_list_.size() < 2) return;
  if (step_ends_.empty())
    for (Stream* stream : stream_list_) step_ends_.push_back(stream->make_event());
  for (size_t i = 0; i < stream_list_.size(); ++i) stream_list_[i]->record(*step_ends_[i]);
  for (size_t i = 0; i < stream_list_.size(); ++i)
    for (size_t j = 0; j < stream_list_.size(); ++j)
      if (i != j) stream_list_[i]->wait(*step_ends_[j]);
}

StepResult Replica::next_result() {
  require<ConfigError>(waiting_steps() > 0, "no step is waiting for its result to be read");
  // Also throws the errors of the step: a CPU stream skips the remaining work after an error.
  if (queue_->waiting() == 1 || !overlaps()) synchronize();
  const StepQueue::Scores scores = queue_->pop();
  return result_of(scores.data, scores.images);
}

// Inference: probabilities, scores and outputs of layers.

StepResult Replica::evaluate(const Batch& batch) {
  check_labels(batch);
  return run(compiled(batch.count, Mode::inference), batch,
             {.weights_version = parameters_->version()});
}

void Replica::predict(const Batch& batch, void* out) {
  Compiled& c = compiled(batch.count, Mode::inference);
  run(c, {batch.images, nullptr, batch.count}, {.weights_version = parameters_->version()});
  const Program& program = c.executor.program();
  const std::vector<char> values = read(c, program.output);
  std::copy(values.begin(), values.end(), static_cast<char*>(out));
}

std::vector<char> Replica::read(Compiled& c, int buffer) {
  const AnyView view = c.executor.view(buffer);
  std::vector<char> values(size_t(view.bytes()));
  Stream& stream = stream_of(c.executor.program(), buffer);
  stream.set_label("output", Phase::download);
  stream.download(view, values.data());
  synchronize();
  if (view.block == 1 && view.dtype == compute_type()) return values;
  AnyView from = view;
  from.data = values.data();
  const Grid grid{int64_t(view.shape.n) * view.shape.c, view.shape.plane()};
  return for_dtype(view.dtype, [&](auto t) {
    using T = decltype(t);
    const View<const T> x = from;
    std::vector<char> planes(size_t(view.shape.count()) * sizeof(Compute<T>));
    auto* to = reinterpret_cast<Compute<T>*>(planes.data());
    for (int64_t row = 0; row < grid.rows; ++row)
      for (int64_t col = 0; col < grid.cols; ++col) *to++ = x.at(row, col);
    return planes;
  });
}

Shape Replica::feature_shape(const std::string& layer, int images) const {
  const auto found = shapes_.find(layer);
  if (found == shapes_.end() || layer == kData) {
    std::string known;
    for (const std::string& name : layer_names()) known += (known.empty() ? "" : ", ") + name;
    fail<ConfigError>("there is no layer '{}'; the layers are {}", layer, known);
  }
  Shape shape = found->second;
  shape.n = images;
  return shape;
}

void Replica::features(const Batch& batch, const std::string& layer, void* out) {
  const Shape whole = feature_shape(layer, batch.count);
  Compiled& c = compiled(batch.count, Mode::inference, layer);
  run(c, {batch.images, nullptr, batch.count}, {.weights_version = parameters_->version()});
  const size_t image_bytes = size_t(whole.per_image()) * size_of(compute_type());
  size_t first = 0;
  for (const Node& node : c.executor.program().nodes) {
    if (node.whole != layer) continue;
    const std::vector<char> values = read(c, node.out[0]);
    const size_t row = values.size() / size_t(batch.count);
    for (int n = 0; n < batch.count; ++n)
      std::copy_n(values.data() + size_t(n) * row, row,
                  static_cast<char*>(out) + size_t(n) * image_bytes + first);
    first += row;
  }
}

}  // namespace alexnet
