// A network in test mode: probabilities, scores, and what any layer gives.
#include <algorithm>

#include "train/compiled.h"

namespace alexnet {

StepResult Network::evaluate(const Batch& batch) {
  check_labels(batch);
  return run(compiled(batch.count, Work::test), batch, {.weights_version = parameters_->version()});
}

void Network::predict(const Batch& batch, void* out) {
  Compiled& c = compiled(batch.count, Work::test);
  run(c, {batch.images, nullptr, batch.count}, {.weights_version = parameters_->version()});
  const Program& program = c.executor.program();
  const std::vector<char> values = read(c, program.output);
  std::copy(values.begin(), values.end(), static_cast<char*>(out));
}

std::vector<char> Network::read(Compiled& c, int buffer) {
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

Shape Network::feature_shape(const std::string& layer, int images) const {
  const auto found = shapes_.find(layer);
  if (found == shapes_.end() || layer == kData) {
    std::string known;
    for (const std::string& name : layer_names()) known += (known.empty() ? "" : ", ") + name;
    fail<ConfigError>("there is no layer '{}'; there are {}", layer, known);
  }
  Shape shape = found->second;
  shape.n = images;
  return shape;
}

void Network::features(const Batch& batch, const std::string& layer, void* out) {
  const Shape whole = feature_shape(layer, batch.count);
  Compiled& c = compiled(batch.count, Work::test, layer);
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
