// The passes that a program requests from its convolutions. On a GPU every pass is a cuDNN plan,
// which takes time to make, so only the passes that will run may be requested, and only requested
// passes may run.
#include <algorithm>
#include <optional>
#include <vector>

#include "backends/cuda/conv_plans.h"
#include "check.h"
#include "device_memory.h"
#include "small_nets.h"
#include "stand_in.h"
#include "train/replica.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

struct Plan {
  CudnnPass pass;
};

// The plans that the engine "cudnn" would have made, or found in its cache, since the last clear().
std::vector<CudnnPass> made;

// The plans that this engine uses if cuDNN has a plan for every pass except `absent`.
ConvPlans<Plan> plans(const ConvPasses& wanted, std::optional<CudnnPass> absent = {}) {
  return plans_of<Plan>(wanted, [&](CudnnPass pass) -> std::shared_ptr<Plan> {
    made.push_back(pass);
    return pass == absent ? nullptr : std::make_shared<Plan>(Plan{pass});
  });
}

int count(CudnnPass pass) { return int(std::count(made.begin(), made.end(), pass)); }

// Reports a failure if a pass runs that the engine was not created for.
class Watched final : public ConvEngine {
 public:
  Watched(std::unique_ptr<ConvEngine> engine, const ConvPasses& passes)
      : engine_(std::move(engine)), plans_(plans(passes)) {}
  const char* name() const override { return engine_->name(); }
  int output_block() const override { return engine_->output_block(); }
  size_t workspace_bytes() const override {
    ANX_CHECK(plans_.forward || plans_.fused);
    return engine_->workspace_bytes();
  }
  void weights_version(uint64_t version) override { engine_->weights_version(version); }
  void forward(Stream& stream, AnyView x, AnyView w, AnyView b, AnyView y, bool relu,
               void* work) override {
    ANX_CHECK(b && relu ? bool(plans_.fused) : bool(plans_.forward));
    engine_->forward(stream, x, w, b, y, relu, work);
  }
  void backward_data(Stream& stream, AnyView w, AnyView dy, AnyView dx, void* work) override {
    ANX_CHECK(plans_.data);
    engine_->backward_data(stream, w, dy, dx, work);
  }
  void backward_weights(Stream& stream, AnyView x, AnyView dy, AnyView dw, AnyView db,
                        void* work) override {
    ANX_CHECK(!dw || plans_.weights);
    engine_->backward_weights(stream, x, dy, dw, db, work);
  }

 private:
  std::unique_ptr<ConvEngine> engine_;
  ConvPlans<Plan> plans_;
};

class Watching final : public StandIn {
 public:
  using StandIn::StandIn;
  std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem& p,
                                        const ConvPasses& passes) override {
    return std::make_unique<Watched>(StandIn::make_conv(name, p, passes), passes);
  }
};

bool watch() {
  if (tested_kind() != DeviceKind::cpu) return false;  // it replaces the back end under test
  stand_in_for_cuda([](std::unique_ptr<Device> cpu) -> std::unique_ptr<Device> {
    return std::make_unique<Watching>(std::move(cpu));
  });
  made.clear();
  return true;
}

// A small AlexNet. The ReLU after conv5 is fused into the pooling.
Description small_alexnet() {
  const auto n = [](int value) { return AttrValue(int64_t(value)); };
  const auto conv = [&](const char* name, int kernel, int groups) {
    return layer(name, "conv",
                 {{"channels", n(8)},
                  {"kernel", n(kernel)},
                  {"pad", n(kernel / 2)},
                  {"groups", n(groups)},
                  {"weight_std", 0.2}});
  };
  const Words pool = {{"size", n(3)}, {"stride", n(2)}};
  Description d;
  d.input = {1, 3, 33, 33};
  d.layers = {conv("conv1", 5, 1),
              layer("relu1", "relu"),
              layer("norm1", "lrn"),
              layer("pool1", "max_pool", pool),
              conv("conv2", 5, 2),
              layer("relu2", "relu"),
              layer("norm2", "lrn"),
              layer("pool2", "max_pool", pool),
              conv("conv3", 3, 1),
              layer("relu3", "relu"),
              conv("conv4", 3, 2),
              layer("relu4", "relu"),
              conv("conv5", 3, 2),
              layer("relu5", "relu"),
              layer("pool5", "max_pool", pool),
              layer("fc6", "dense", {{"channels", n(5)}, {"weight_std", 0.2}}),
              layer("prob", "softmax")};
  return d;
}

void check_made(int forward, int fused, int data, int weights) {
  ANX_CHECK_EQUAL(count(CudnnPass::forward), forward);
  ANX_CHECK_EQUAL(count(CudnnPass::forward_bias_relu), fused);
  ANX_CHECK_EQUAL(count(CudnnPass::backward_data), data);
  ANX_CHECK_EQUAL(count(CudnnPass::backward_weights), weights);
  ANX_CHECK_EQUAL(int(made.size()), forward + fused + data + weights);
  made.clear();
}

// Trains, evaluates, and reads the values of every layer.
void use(Replica& net) {
  constexpr int images = 3;
  const std::vector<float> x(size_t(net.input().per_image()) * images, 0.5f);
  const std::vector<int32_t> labels = {4, 0, 1};
  const Batch batch{x.data(), labels.data(), images};
  net.train_step(batch, 0);
  net.forward_backward(batch, 1, 0, 0);
  net.update();
  net.evaluate(batch);
  for (const std::string& name : net.layer_names()) {
    std::vector<float> out(size_t(net.feature_shape(name, images).count()));
    net.features(batch, name, out.data());
  }
}

}  // namespace

ANX_TEST(a_network_only_makes_the_plans_that_it_runs) {
  if (!watch()) return;
  Replica net(small_alexnet(), {.devices = {"cuda:0"}, .threads = 2});
  check_made(0, 0, 0, 0);
  net.plan(128, true);
  check_made(1, 4, 4, 5);
  net.plan(128, true, true);
  check_made(1, 4, 4, 5);
  net.plan(128, false);
  check_made(1, 4, 0, 0);
}

ANX_TEST(a_network_without_fusion_makes_plain_plans) {
  if (!watch()) return;
  Replica net(small_alexnet(), {.devices = {"cuda:0"}, .threads = 2, .fuse = false});
  check_made(0, 0, 0, 0);
  net.plan(2, true);
  check_made(5, 0, 4, 5);
}

ANX_TEST(frozen_layers_make_no_gradient_plans) {
  if (!watch()) return;
  Replica net(small_alexnet(), {.devices = {"cuda:0"}, .threads = 2});
  for (const char* name : {"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"})
    net.set_update(name, {.lr = 0});
  net.plan(2, true);
  check_made(1, 4, 2, 3);  // conv3 is the first trainable layer: no gradient is needed before it
  net.set_update("conv2.bias", {.lr = 0.01});
  net.plan(2, true);
  check_made(1, 4, 3, 3);
  for (const char* name : {"conv2.bias", "conv3.weight", "conv3.bias", "conv4.weight", "conv4.bias",
                           "conv5.weight", "conv5.bias"})
    net.set_update(name, {.lr = 0});
  net.plan(2, true);
  check_made(1, 4, 0, 0);
}

ANX_TEST(only_requested_passes_run) {
  if (!watch()) return;
  for (const bool fuse : {true, false})
    for (const Description& description :
         {small_alexnet(), two_towers(), two_towers(8), branches()}) {
      Replica net(description, {.devices = {"cuda:0"}, .threads = 2, .fuse = fuse});
      use(net);
      net.set_update("conv1.weight", {.lr = 0});
      use(net);
      net.set_update("conv1.bias", {.lr = 0});
      use(net);
    }
  Replica net(two_towers(), {.devices = {"cuda:0", "cuda:1"}, .threads = 2});
  use(net);
}

ANX_TEST(bias_and_relu_follow_a_plain_pass_without_a_fused_plan) {
  made.clear();
  const ConvPasses wanted{.forward_bias_relu = true, .backward_weights = true};
  const auto all = plans(wanted);
  ANX_CHECK(all.fused && all.weights && !all.forward && !all.data && !all.missing);
  const auto apart = plans(wanted, CudnnPass::forward_bias_relu);
  ANX_CHECK(!apart.fused && apart.forward && apart.weights && !apart.missing);
}

ANX_TEST(a_pass_without_a_plan_is_reported) {
  made.clear();
  const ConvPasses all{.forward = true, .backward_data = true, .backward_weights = true};
  for (const CudnnPass pass :
       {CudnnPass::forward, CudnnPass::backward_data, CudnnPass::backward_weights})
    ANX_CHECK(plans(all, pass).missing == pass);
  ANX_CHECK(!plans(all, CudnnPass::forward_bias_relu).missing);
  made.clear();
  ANX_CHECK(plans(all, CudnnPass::forward).missing && made.size() == 1);  // no more are made
}
