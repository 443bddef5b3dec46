// Whole training steps of a small two-tower network: one device, two devices, any number of
// threads.
#include <cmath>
#include <limits>
#include <thread>

#include "check.h"
#include "device_memory.h"
#include "small_nets.h"
#include "train/replica.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

constexpr int kImages = 6;
const std::vector<std::string> kOne = {tested_name(0)},
                               kTogether = {tested_name(0), tested_name(0)},
                               kApart = {tested_name(0), tested_name(1)};

template <class T>
std::vector<T> images(const Replica& net, int count = kImages) {
  std::vector<double> values(size_t(net.input().per_image()) * size_t(count));
  normals({11, 1}, 0, values.data(), values.size());
  return {values.begin(), values.end()};
}

const std::vector<int32_t> kLabels = {4, 0, 1, 3, 2, 1};

NetworkOptions options(const std::vector<std::string>& devices, DType dtype, int threads = 2) {
  return {.devices = devices, .seed = 5, .precision = {dtype}, .threads = threads};
}

// The results of training: losses, then all weights and momenta.
template <class T>
std::vector<double> trained(const Description& description, const NetworkOptions& with,
                            int steps = 3) {
  Replica net(description, with);
  for (const std::string& name : net.parameters().names()) net.set_update(name, {0.05, 0.9, 5e-4});
  const auto x = images<T>(net);
  std::vector<double> out;
  for (int step = 0; step < steps; ++step)
    out.push_back(net.train_step({x.data(), kLabels.data(), kImages}, uint64_t(step)).loss);
  for (const std::string& name : net.parameters().names()) {
    for (const ParamKind kind : {ParamKind::value, ParamKind::momentum}) {
      std::vector<T> values(size_t(net.parameters().shape(name).count()));
      net.parameters().read(name, kind, values.data());
      out.insert(out.end(), values.begin(), values.end());
    }
  }
  return out;
}

void check_near(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ANX_CHECK_EQUAL(got.size(), want.size());
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i)
    ANX_CHECK_CLOSE(got[i], want[i], tolerance);
}

}  // namespace

ANX_TEST(one_device_two_devices_and_grouped_convolutions_train_alike) {
  const auto grouped = trained<double>(two_towers(), options(kOne, DType::f64));
  const auto one = trained<double>(two_towers(), options(kTogether, DType::f64));
  const auto two = trained<double>(two_towers(), options(kApart, DType::f64));
  check_near(one, grouped, 1e-11);
  check_near(two, grouped, 1e-11);
  ANX_CHECK(one == two);  // the same sums in the same order
}

ANX_TEST(two_devices_equal_one_bit_for_bit_in_float) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const int width : {1, 8}) {
      const auto one = trained<float>(two_towers(width), options(kTogether, dtype));
      const auto two = trained<float>(two_towers(width), options(kApart, dtype));
      ANX_CHECK(one == two);
    }
}

ANX_TEST(training_is_the_same_bit_for_bit_for_any_number_of_threads) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const int width : {1, 8}) {
      const auto first = trained<float>(two_towers(width), options(kOne, dtype, 1));
      for (const int threads : {2, 3, 5})
        ANX_CHECK(trained<float>(two_towers(width), options(kOne, dtype, threads)) == first);
    }
}

ANX_TEST(a_graph_with_branches_trains_alike_in_both_precisions) {
  const auto precise = trained<double>(branches(), options(kOne, DType::f64), 5);
  const auto single = trained<float>(branches(), options(kOne, DType::f32), 5);
  check_near(single, precise, 1e-4);
}

ANX_TEST(channels_in_blocks_train_as_in_double_precision) {
  const auto precise = trained<double>(two_towers(8), options(kOne, DType::f64), 2);
  const auto single = trained<float>(two_towers(8), options(kOne, DType::f32), 2);
  check_near(single, precise, 1e-4);
}

ANX_TEST(fusing_a_relu_into_the_pooling_after_it_changes_no_bit) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const int width : {1, 8}) {
      Description d = two_towers(width);
      std::erase_if(d.layers, [](const LayerDesc& l) { return l.type == "lrn"; });
      NetworkOptions each = options(kOne, dtype);
      each.fuse = false;
      ANX_CHECK(trained<float>(d, options(kOne, dtype)) == trained<float>(d, each));
    }
}

ANX_TEST(updating_during_the_backward_pass_equals_updating_after_it_bit_for_bit) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const auto& devices : {kOne, kApart}) {
      NetworkOptions after = options(devices, dtype);
      after.shares_gradients = true;  // as with replicas
      ANX_CHECK(trained<float>(two_towers(8), options(devices, dtype)) ==
                trained<float>(two_towers(8), after));
    }
  }
}

ANX_TEST(a_step_adds_to_existing_gradients) {
  const auto weights = [](bool in_one) {
    Replica net(two_towers(), options(kOne, DType::f64));
    const auto x = images<double>(net);
    const Batch batch{x.data(), kLabels.data(), kImages};
    net.forward_backward(batch, 0, 0, 0);
    if (in_one) {
      net.train_step(batch, 1);
    } else {
      net.forward_backward(batch, 1, 0, 0);
      net.update();
    }
    net.train_step(batch, 2);  // the gradients were zeroed
    std::vector<double> values(size_t(net.parameters().shape("conv3.weight").count()));
    net.parameters().read("conv3.weight", ParamKind::value, values.data());
    return values;
  };
  ANX_CHECK(weights(true) == weights(false));
}

ANX_TEST(a_loss_that_is_not_finite_changes_no_weight) {
  for (const bool replica : {false, true}) {
    NetworkOptions with = options(kOne, DType::f32);
    with.shares_gradients = replica;
    Replica net(two_towers(), with);
    std::vector<float> x = images<float>(net), before(size_t(6)), after(size_t(6));
    x[0] = std::numeric_limits<float>::infinity();
    net.parameters().read("fc7.bias", ParamKind::value, before.data());
    const StepResult result = net.train_step({x.data(), kLabels.data(), kImages}, 0);
    ANX_CHECK(!std::isfinite(result.loss));
    net.parameters().read("fc7.bias", ParamKind::value, after.data());
    ANX_CHECK(before == after);
  }
}

ANX_TEST(parts_of_a_batch_add_up_to_the_whole) {
  Replica net(two_towers(), options(kApart, DType::f64));
  const auto x = images<double>(net);
  const auto gradients = [&] {
    std::vector<double> all;
    for (const std::string& name : net.parameters().names()) {
      std::vector<double> values(size_t(net.parameters().shape(name).count()));
      net.parameters().read(name, ParamKind::gradient, values.data());
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  const StepResult whole = net.forward_backward({x.data(), kLabels.data(), kImages}, 7, 0, 0);
  const auto want = gradients();
  net.update();  // zeroes the gradients; the weights must not move
  for (const double g : gradients()) ANX_CHECK_EQUAL(g, 0.0);

  Replica again(two_towers(), options(kApart, DType::f64));
  for (const std::string& name : net.parameters().names()) {
    std::vector<double> values(size_t(net.parameters().shape(name).count()));
    again.parameters().read(name, ParamKind::value, values.data());
    net.parameters().write(name, ParamKind::value, values.data());
  }
  const int64_t image = net.input().per_image();
  double loss = 0;
  for (const auto& [first, count] : {std::pair(0, 1), std::pair(1, 3), std::pair(4, 2)})
    loss += net.forward_backward({x.data() + first * image, kLabels.data() + first, count}, 7,
                                 first, kImages)
                .loss;
  ANX_CHECK_CLOSE(loss, whole.loss, 1e-12);
  check_near(gradients(), want, 1e-13);
}

ANX_TEST(a_frozen_parameter_is_unchanged_while_others_train) {
  Replica net(two_towers(), options(kApart, DType::f32));
  const auto read = [&](const std::string& name) {
    std::vector<float> values(size_t(net.parameters().shape(name).count()));
    net.parameters().read(name, ParamKind::value, values.data());
    return values;
  };
  for (const std::string& name : net.parameters().names()) net.set_update(name, {0.05, 0.9, 5e-4});
  for (const char* name : {"conv1.weight", "conv1.bias", "fc7.weight"})
    net.set_update(name, {0, 0.9, 5e-4});
  std::map<std::string, std::vector<float>> before;
  for (const std::string& name : net.parameters().names()) before[name] = read(name);
  const auto x = images<float>(net);
  for (int step = 0; step < 2; ++step) net.train_step({x.data(), kLabels.data(), kImages}, 0);
  for (const auto& [name, values] : before) {
    const bool frozen = name == "conv1.weight" || name == "conv1.bias" || name == "fc7.weight";
    ANX_CHECK_EQUAL(read(name) == values, frozen);
  }
}

ANX_TEST(programs_of_several_batch_sizes_share_their_memory) {
  Replica net(two_towers(), options(kApart, DType::f32));
  const auto x = images<float>(net);
  std::vector<float> first(kImages * 5), again(kImages * 5), one(5);
  net.predict({x.data(), nullptr, kImages}, first.data());
  for (const int count : {1, 2, 3, 4, 5, 6, 1}) {
    std::vector<float> some(size_t(count) * 5);
    net.predict({x.data(), nullptr, count}, some.data());
    for (size_t i = 0; i < some.size(); ++i) ANX_CHECK_CLOSE(some[i], first[i], 1e-6);
    net.forward_backward({x.data(), kLabels.data(), count}, 0, 0, 0);
  }
  net.predict({x.data(), nullptr, kImages}, again.data());
  ANX_CHECK(again == first);
}

ANX_TEST(features_of_a_split_layer_are_joined) {
  Replica grouped(two_towers(), options(kOne, DType::f64));
  Replica towers(two_towers(), options(kApart, DType::f64));
  const auto x = images<double>(grouped, 2);
  for (const std::string& layer : grouped.layer_names()) {
    std::vector<double> a(size_t(grouped.feature_shape(layer, 2).count())), b(a.size());
    grouped.features({x.data(), nullptr, 2}, layer, a.data());
    towers.features({x.data(), nullptr, 2}, layer, b.data());
    check_near(b, a, 1e-12);
  }
}

ANX_TEST(two_networks_train_in_two_threads_at_once) {
  const auto want = trained<float>(two_towers(), options(kApart, DType::f32));
  std::vector<double> other;
  std::thread thread([&] { other = trained<float>(two_towers(), options(kApart, DType::f32)); });
  const auto own = trained<float>(two_towers(), options(kApart, DType::f32));
  thread.join();
  ANX_CHECK(own == want);
  ANX_CHECK(other == want);
}
