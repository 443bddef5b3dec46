// Mistakes of users: each gives an error message that names the layer or the value.
#include "check.h"
#include "small_nets.h"
#include "train/replica.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

const NetworkOptions kOne = {.devices = {"cpu:0"}, .threads = 1};
const NetworkOptions kTwo = {.devices = {"cpu:0", "cpu:1"}, .threads = 2};

LayerDesc& find(Description& d, const std::string& name) {
  for (LayerDesc& l : d.layers)
    if (l.name == name) return l;
  throw std::runtime_error("no layer " + name);
}

template <class Change>
Description changed(Change&& change) {
  Description d = two_towers();
  change(d);
  return d;
}

}  // namespace

ANX_TEST(an_invalid_description_is_rejected_with_the_layer_name) {
  const auto refuse = [](const char* part, auto&& change) {
    ANX_CHECK_THROWS(ConfigError, part, Replica(changed(change), kOne));
  };
  refuse("the network has no layers", [](Description& d) { d.layers.clear(); });
  refuse("at least one channel", [](Description& d) { d.input.c = 0; });
  refuse("unknown layer type 'convolution'",
         [](Description& d) { find(d, "conv1").type = "convolution"; });
  refuse("unknown layer type 'copy'; known types: abs, abs_tanh, avg_pool, batch_norm, concat, ",
         [](Description& d) { find(d, "relu1").type = "copy"; });
  refuse("unknown layer type 'reorder'", [](Description& d) { find(d, "relu1").type = "reorder"; });
  refuse("'kernal' is not an attribute of conv",
         [](Description& d) { find(d, "conv1").attrs.set("kernal", int64_t(3)); });
  refuse("layer 'conv2'", [](Description& d) { find(d, "conv2").attrs.erase("channels"); });
  refuse("must be an integer",
         [](Description& d) { find(d, "conv1").attrs.set("stride", std::string("2")); });
  refuse("size must be odd",
         [](Description& d) { find(d, "norm1").attrs.set("size", int64_t(4)); });
  refuse("rate must be", [](Description& d) { find(d, "drop6").attrs.set("rate", 1.0); });
  refuse("two layers named 'conv1'", [](Description& d) { find(d, "conv2").name = "conv1"; });
  refuse("input 'conv9' is not defined by an earlier layer",
         [](Description& d) { find(d, "relu1").inputs = {"conv9"}; });
  refuse("takes one input, got 2",
         [](Description& d) { find(d, "relu2").inputs = {"conv1", "conv2"}; });
  refuse("has no name", [](Description& d) { find(d, "relu1").name = ""; });
  refuse("a name must not contain", [](Description& d) { find(d, "relu1").name = "relu/1"; });
  refuse("towers must be 1 or 2", [](Description& d) { find(d, "relu1").towers = 3; });
  refuse("there is no convolution engine 'magic'",
         [](Description& d) { find(d, "conv1").attrs.set("engine", std::string("magic")); });
}

ANX_TEST(shape_errors_name_the_layer_and_its_input) {
  Description d = two_towers();
  d.input.h = d.input.w = 5;  // the output of conv1 is one pixel, pool1 needs three
  ANX_CHECK_THROWS(ShapeError, "layer 'pool1' (max_pool) with input", Replica(d, kOne));
}

ANX_TEST(towers_that_cannot_be_split_are_rejected) {
  const auto refuse = [](const char* part, auto&& change) {
    ANX_CHECK_THROWS(ConfigError, part, Replica(changed(change), kTwo));
  };
  refuse("normalises across both towers",
         [](Description& d) { find(d, "norm1").attrs.set("groups", int64_t(1)); });
  refuse("5 channels cannot be split into two towers",
         [](Description& d) { find(d, "conv3").attrs.set("channels", int64_t(5)); });
  refuse("its input 'relu1' is not", [](Description& d) { find(d, "relu1").towers = 1; });
  refuse("no layers with towers = 2", [](Description& d) {
    for (LayerDesc& l : d.layers) l.towers = 1;
  });
}

ANX_TEST(unavailable_devices_are_rejected) {
  const auto with = [](const std::vector<std::string>& devices) {
    return NetworkOptions{.devices = devices, .threads = 1};
  };
  ANX_CHECK_THROWS(ConfigError, "unknown device 'gpu:0'", Replica(two_towers(), with({"gpu:0"})));
  ANX_CHECK_THROWS(ConfigError, "unknown device 'cpu:x'", Replica(two_towers(), with({"cpu:x"})));
  ANX_CHECK_THROWS(ConfigError, "one or two devices, got 3",
                   Replica(two_towers(), with({"cpu:0", "cpu:1", "cpu:2"})));
}

ANX_TEST(an_invalid_batch_is_rejected_and_the_network_still_works) {
  Replica net(two_towers(), kTwo);
  const std::vector<float> x(size_t(net.input().per_image()) * 2, 0.5f);
  std::vector<int32_t> labels = {1, 5};
  ANX_CHECK_THROWS(ConfigError, "label 5 of image 1 is outside 0..4",
                   net.train_step({x.data(), labels.data(), 2}, 0));
  labels = {-1, 0};
  ANX_CHECK_THROWS(ConfigError, "label -1 of image 0", net.evaluate({x.data(), labels.data(), 2}));
  labels = {1, 0};
  ANX_CHECK_THROWS(ConfigError, "at least one image",
                   net.train_step({x.data(), labels.data(), 0}, 0));
  std::vector<float> out(5);
  ANX_CHECK_THROWS(ConfigError, "there is no layer 'conv7'",
                   net.features({x.data(), nullptr, 1}, "conv7", out.data()));
  ANX_CHECK_THROWS(ConfigError, "there is no parameter 'conv7.weight'",
                   net.set_update("conv7.weight", {}));
  ANX_CHECK_EQUAL(net.train_step({x.data(), labels.data(), 2}, 0).images, int64_t(2));
}

ANX_TEST(a_network_without_softmax_predicts_but_does_not_train) {
  Description d = two_towers();
  d.layers.pop_back();
  Replica net(d, kOne);
  const std::vector<float> x(size_t(net.input().per_image()), 0.5f);
  std::vector<float> out(5);
  const int32_t label = 0;
  net.predict({x.data(), nullptr, 1}, out.data());
  ANX_CHECK_THROWS(ConfigError, "training needs a loss", net.train_step({x.data(), &label, 1}, 0));
  ANX_CHECK_THROWS(ConfigError, "evaluation with labels needs a loss",
                   net.evaluate({x.data(), &label, 1}));
}
