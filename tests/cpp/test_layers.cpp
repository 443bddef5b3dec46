// The backward pass of every layer type against finite differences of its forward pass, in double
// precision. (tests/layers compares the forward pass with a reference.)
#include <algorithm>

#include "check.h"
#include "device_memory.h"
#include "train/layer_runner.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

using Values = std::vector<std::vector<double>>;

struct LayerCase {
  std::string type;
  std::map<std::string, AttrValue> attrs;
  std::vector<Shape> inputs;
};

const Shape kImage{2, 6, 7, 5};
// Odd shapes, overlapping and clipped windows, and an alpha large enough that every term matters.
const std::vector<LayerCase> kCases = {
    {"conv",
     {{"channels", int64_t(4)},
      {"kernel", int64_t(3)},
      {"stride", int64_t(2)},
      {"pad", int64_t(1)},
      {"groups", int64_t(2)},
      {"ceil", true}},
     {kImage}},
    {"conv", {{"channels", int64_t(3)}, {"kernel", int64_t(2)}, {"bias", false}}, {kImage}},
    {"dense", {{"channels", int64_t(5)}}, {kImage}},
    {"local",
     {{"channels", int64_t(3)},
      {"kernel", int64_t(3)},
      {"stride", int64_t(2)},
      {"pad", int64_t(1)}},
     {kImage}},
    {"relu", {}, {kImage}},
    {"tanh", {{"a", 1.7}, {"b", 0.6}}, {kImage}},
    {"logistic", {}, {kImage}},
    {"softplus", {}, {kImage}},
    {"abs", {}, {kImage}},
    {"abs_tanh", {{"a", 1.7}, {"b", 0.6}}, {kImage}},
    {"lrn", {{"size", int64_t(3)}, {"alpha", 0.5}, {"groups", int64_t(2)}}, {kImage}},
    {"lrn",
     {{"size", int64_t(9)}, {"alpha", 0.5}, {"beta", 0.6}, {"alpha_mode", std::string("mean")}},
     {kImage}},
    {"lrn_within", {{"size", int64_t(3)}, {"alpha", 0.5}}, {kImage}},
    {"lrn_within", {{"size", int64_t(9)}, {"alpha", 0.5}}, {kImage}},
    {"batch_norm", {{"eps", 0.5}}, {kImage}},
    {"batch_norm", {}, {{7, 3, 1, 1}}},
    {"max_pool", {{"size", int64_t(3)}, {"stride", int64_t(2)}, {"ceil", true}}, {kImage}},
    {"max_pool", {{"size", int64_t(3)}, {"stride", int64_t(1)}, {"pad", int64_t(1)}}, {kImage}},
    {"avg_pool", {{"size", int64_t(3)}, {"stride", int64_t(2)}, {"ceil", true}}, {kImage}},
    {"avg_pool", {{"size", int64_t(2)}, {"stride", int64_t(3)}, {"pad", int64_t(1)}}, {kImage}},
    {"dropout", {}, {kImage}},
    {"dropout", {{"mode", std::string("inverted")}, {"rate", 0.2}}, {kImage}},
    {"concat", {}, {{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 2, 4, 5}}},
    {"slice", {{"first", int64_t(2)}, {"channels", int64_t(3)}}, {kImage}},
    {"sum", {}, {kImage, kImage, kImage}},
    {"copy", {}, {kImage}},
    {"cast", {}, {kImage}},
    // GPUs only support planes.
    {"reorder", {{"block", int64_t(tested_kind() == DeviceKind::cpu ? 8 : 1)}}, {{2, 16, 3, 5}}},
};

Values random_like(const std::vector<Shape>& shapes, uint32_t site) {
  Values values;
  for (const Shape& s : shapes) values.push_back(random_values<double>(s.count(), site++));
  return values;
}

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < a[i].size(); ++j) sum += a[i][j] * b[i][j];
  return sum;
}

Values moved(Values x, const Values& direction, double by) {
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = 0; j < x[i].size(); ++j) x[i][j] += by * direction[i][j];
  return x;
}

std::vector<const void*> readable(const Values& values) {
  std::vector<const void*> out;
  for (const auto& v : values) out.push_back(v.data());
  return out;
}

std::vector<void*> writable(Values& values) {
  std::vector<void*> out;
  for (auto& v : values) out.push_back(v.data());
  return out;
}

std::vector<Shape> shapes_of(const std::vector<ParamSpec>& specs) {
  std::vector<Shape> out;
  for (const ParamSpec& p : specs) out.push_back(p.shape);
  return out;
}

Values forward(LayerRunner& layer, const Values& x, const Values& w, const StepContext& step) {
  Values y = random_like(layer.plan().outputs, 90);
  layer.forward(readable(x), readable(w), step, writable(y),
                readable(random_like(shapes_of(layer.plan().state), 80)));
  return y;
}

void check_gradient(const LayerCase& c) {
  LayerRunner layer(c.type, Attrs(c.attrs), c.inputs, tested_name(0), {DType::f64}, "layer", 2,
                    false);
  const std::vector<Shape> param_shapes = shapes_of(layer.plan().params);
  const Values x = random_like(c.inputs, 10), w = random_like(param_shapes, 20);
  const Values dx_direction = random_like(c.inputs, 30),
               dw_direction = random_like(param_shapes, 40);
  const Values dy = random_like(layer.plan().outputs, 50);
  StepContext step;
  step.training = true;
  step.seed = 3;

  forward(layer, x, w, step);
  Values dx = random_like(c.inputs, 60), dw = random_like(param_shapes, 70);
  layer.backward(readable(dy), writable(dx), writable(dw));

  // For these draws, the kinks of relu, abs and max are farther away than this step.
  const double eps = 1e-6;
  const auto slope = [&](double along_x, double along_w) {
    const Values up = forward(layer, moved(x, dx_direction, along_x * eps),
                              moved(w, dw_direction, along_w * eps), step);
    const Values down = forward(layer, moved(x, dx_direction, -along_x * eps),
                                moved(w, dw_direction, -along_w * eps), step);
    return (dot(up, dy) - dot(down, dy)) / (2 * eps);
  };
  const double by_x = dot(dx, dx_direction);
  ANX_CHECK(by_x != 0);
  ANX_CHECK_CLOSE(by_x, slope(1, 0), 1e-6 * (1 + std::abs(by_x)));
  if (w.empty()) return;
  const double by_w = dot(dw, dw_direction);
  ANX_CHECK(by_w != 0);
  ANX_CHECK_CLOSE(by_w, slope(0, 1), 1e-6 * (1 + std::abs(by_w)));
}

}  // namespace

ANX_TEST(every_layer_type_has_a_case_here) {
  for (const std::string& type : layer_types()) {
    const bool found = std::any_of(kCases.begin(), kCases.end(),
                                   [&](const LayerCase& c) { return c.type == type; });
    if (!found && type != "softmax") report(__FILE__, __LINE__, "no case for layer type " + type);
  }
}

ANX_TEST(every_backward_pass_is_the_derivative_of_the_forward_pass) {
  for (const LayerCase& c : kCases) {
    const int before = failures();
    check_gradient(c);
    if (failures() != before) report(__FILE__, __LINE__, "... in a case of " + c.type);
  }
}

ANX_TEST(the_gradient_of_softmax_is_the_derivative_of_its_loss) {
  const Shape shape{3, 7, 1, 1};
  LayerRunner layer("softmax", {}, {shape}, tested_name(0), {DType::f64}, "prob", 2, false);
  const std::vector<int32_t> labels = {6, 0, 3};
  StepContext step;
  step.training = true;
  step.loss_scale = 1.0 / 3;
  step.labels = {labels.data(), {3, 1, 1, 1}, {}};
  const Values x = random_like({shape}, 1), direction = random_like({shape}, 2);
  const auto loss = [&](const Values& at) {
    forward(layer, at, {}, step);
    std::vector<double> scores(9);
    layer.saved(0, scores.data());
    return (scores[0] + scores[3] + scores[6]) / 3;
  };
  const double eps = 1e-6;
  const double slope =
      (loss(moved(x, direction, eps)) - loss(moved(x, direction, -eps))) / (2 * eps);
  loss(x);
  Values dx = random_like({shape}, 3);
  layer.backward(readable(random_like({shape}, 4)), writable(dx), {});
  ANX_CHECK_CLOSE(dot(dx, direction), slope, 1e-8);
}

// For sanitizers: the uploads enqueued before the error write to the layer's tensors.
ANX_TEST(a_layer_may_be_destroyed_right_after_an_error) {
  const Shape shape{64, 1000, 1, 1};
  for (int i = 0; i < 20; ++i) {
    LayerRunner layer("softmax", {}, {shape}, tested_name(0), {DType::f64}, "prob", 2, false);
    Values dx = random_like({shape}, 3);
    ANX_CHECK_THROWS(ConfigError, "the backward pass needs labels",
                     layer.backward(readable(random_like({shape}, 4)), writable(dx), {}));
  }
}
