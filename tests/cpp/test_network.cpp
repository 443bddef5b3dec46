// Data-parallel training: replicas against one device, replicas of two towers, failures.
#include "check.h"
#include "device_memory.h"
#include "small_nets.h"
#include "stand_in.h"
#include "train/network.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

constexpr int kImages = 7;
const std::vector<int32_t> kLabels = {4, 0, 1, 3, 2, 1, 0};

NetworkOptions options(const std::vector<std::string>& devices, DType dtype, int threads = 4) {
  return {.devices = devices, .seed = 5, .precision = {dtype}, .threads = threads};
}

std::vector<std::string> devices(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(tested_name(tested_index(i)));
  return names;
}

template <class T>
std::vector<T> images(int64_t per_image) {
  std::vector<double> values(size_t(per_image) * kImages);
  normals({11, 1}, 0, values.data(), values.size());
  return {values.begin(), values.end()};
}

template <class T>
std::vector<T> values_of(Replica& net, const std::string& name, ParamKind kind) {
  std::vector<T> values(size_t(net.parameters().shape(name).count()));
  net.parameters().read(name, kind, values.data());
  return values;
}

StepResult step_of(Network& net, const Batch& batch, uint64_t step) {
  net.begin_step(batch, step, 1, false);
  return net.next_result();
}

template <class T>
void train(Network& net, int steps, std::vector<double>& losses, int first_step = 0) {
  for (const std::string& name : net.first().parameters().names())
    net.set_update(name, {0.05, 0.9, 5e-4});
  const auto x = images<T>(net.first().input().per_image());
  for (int step = first_step; step < first_step + steps; ++step) {
    // The last batch of an epoch may have fewer images than there are replicas.
    const int count = step % 3 == 2 ? 1 : kImages;
    losses.push_back(step_of(net, {x.data(), kLabels.data(), count}, uint64_t(step)).loss);
  }
}

// Losses, then all weights and momenta.
template <class T>
std::vector<double> trained(const Description& description, const NetworkOptions& with,
                            int replicas) {
  Network net(description, with, replicas);
  std::vector<double> out;
  train<T>(net, 4, out);
  for (const std::string& name : net.first().parameters().names())
    for (const ParamKind kind : {ParamKind::value, ParamKind::momentum}) {
      const auto own = values_of<T>(net.first(), name, kind);
      for (int rank = 1; rank < replicas; ++rank)
        ANX_CHECK(values_of<T>(net.replica(rank), name, kind) == own);
      out.insert(out.end(), own.begin(), own.end());
    }
  return out;
}

void check_near(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ANX_CHECK_EQUAL(got.size(), want.size());
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i)
    ANX_CHECK_CLOSE(got[i], want[i], tolerance);
}

// A device whose memory can be made full.
class FullDevice final : public StandIn {
 public:
  using StandIn::StandIn;
  void* allocate(size_t bytes) override {
    require<DeviceError>(!full, "{} is full", to_string(id()));
    return StandIn::allocate(bytes);
  }

  static inline bool full = false;
};

}  // namespace

ANX_TEST(replicas_train_like_one_device) {
  for (const Description& net : {two_towers(), branches()}) {
    const auto one = trained<double>(net, options(devices(1), DType::f64), 1);
    check_near(trained<double>(net, options(devices(2), DType::f64), 2), one, 1e-12);
    check_near(trained<double>(net, options(devices(3), DType::f64), 3), one, 1e-12);
  }
  const auto one = trained<float>(two_towers(8), options(devices(1), DType::f32), 1);
  check_near(trained<float>(two_towers(8), options(devices(2), DType::f32), 2), one, 1e-5);
}

ANX_TEST(replicas_of_two_towers_train_like_one_device) {
  const auto one = trained<double>(two_towers(), options(devices(1), DType::f64), 1);
  check_near(trained<double>(two_towers(), options(devices(4), DType::f64), 2), one, 1e-12);
}

ANX_TEST(replicas_repeat_bit_for_bit_with_any_number_of_threads) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const auto first = trained<float>(two_towers(8), options(devices(2), dtype, 2), 2);
    ANX_CHECK(trained<float>(two_towers(8), options(devices(2), dtype, 2), 2) == first);
    ANX_CHECK(trained<float>(two_towers(8), options(devices(2), dtype, 5), 2) == first);
  }
}

ANX_TEST(gradient_buckets_start_with_the_last_layer) {
  Replica net(two_towers(), options(devices(2), DType::f32));
  const auto& names = net.parameters().names();
  constexpr size_t limit = 1000;
  std::map<std::pair<std::string, size_t>, int64_t> next;
  int64_t count = 0;
  std::string order;
  for (const GradientBucket& bucket : gradient_buckets(net.parameters(), names, limit)) {
    int64_t own = 0;
    for (const GradientRange& range : bucket.ranges) {
      ANX_CHECK_EQUAL(net.parameters().shards(range.name)[range.part].device, bucket.device);
      ANX_CHECK_EQUAL(range.first, (next[{range.name, range.part}]));  // none twice, none missing
      next[{range.name, range.part}] += range.count;
      own += range.count;
      if (range.part == 0) order += order.ends_with(range.name + " ") ? "" : range.name + " ";
    }
    ANX_CHECK_EQUAL(own, bucket.count);
    ANX_CHECK(own > 0 && own * 4 <= int64_t(limit));
    count += own;
  }
  ANX_CHECK_EQUAL(count, net.parameters().count());
  ANX_CHECK_EQUAL(order,
                  "fc8.bias fc8.weight fc7.bias fc7.weight fc6.bias fc6.weight conv3.bias "
                  "conv3.weight conv2.bias conv2.weight conv1.bias conv1.weight ");
}

ANX_TEST(parts_of_a_batch_a_frozen_layer_and_a_second_pass_add_up) {
  const auto gradients = [](int replicas) {
    Network net(two_towers(), options(devices(replicas), DType::f64), replicas);
    for (const std::string& name : net.first().parameters().names())
      net.set_update(name, {name == "conv2.weight" ? 0.0 : 0.05, 0.9, 5e-4});
    const auto x = images<double>(net.first().input().per_image());
    const auto image = [&](int i) { return x.data() + i * net.first().input().per_image(); };
    std::vector<double> out;
    const auto read = [&](const std::string& name) {
      std::vector<double> values(size_t(net.first().parameters().shape(name).count()));
      net.read(name, ParamKind::gradient, values.data());
      out.insert(out.end(), values.begin(), values.end());
    };
    net.forward_backward({image(0), kLabels.data(), 3}, 0, 0, kImages);
    read("fc7.weight");  // before the batch is complete
    net.forward_backward({image(3), kLabels.data() + 3, 3}, 0, 3, kImages);
    net.forward_backward({image(6), kLabels.data() + 6, 1}, 0, 6, kImages);
    read("fc7.weight");
    net.forward_backward({x.data(), kLabels.data(), kImages}, 1, 0, 0);  // added to it
    for (const std::string& name : net.first().parameters().names()) read(name);
    net.forward_backward({image(1), kLabels.data(), 2}, 2, 0, kImages);  // never completed
    net.update();
    net.set_update("conv2.weight", {0.05, 0.9, 5e-4});
    net.forward_backward({x.data(), kLabels.data(), kImages}, 3, 0, 0);
    for (const std::string& name : net.first().parameters().names()) read(name);
    return out;
  };
  const auto one = gradients(1);
  check_near(gradients(2), one, 1e-12);
  check_near(gradients(3), one, 1e-12);
}

ANX_TEST(a_written_gradient_is_counted_once) {
  Network net(two_towers(), options(devices(2), DType::f64), 2);
  for (const std::string& name : net.first().parameters().names()) net.set_update(name, {0.05});
  const auto x = images<double>(net.first().input().per_image());
  std::vector<double> values(14, 2.5), plain(14), more(14);
  net.forward_backward({x.data(), kLabels.data(), kImages}, 0, 0, 0);
  net.read("fc6.bias", ParamKind::gradient, plain.data());
  net.write("fc6.bias", ParamKind::gradient, values.data());
  net.forward_backward({x.data(), kLabels.data(), kImages}, 0, 0, 0);
  net.read("fc6.bias", ParamKind::gradient, more.data());
  for (size_t i = 0; i < 14; ++i) ANX_CHECK_CLOSE(more[i], plain[i] + 2.5, 1e-12);
}

ANX_TEST(predictions_match_those_of_one_device) {
  Network one(two_towers(), options(devices(1), DType::f64), 1);
  Network three(two_towers(), options(devices(3), DType::f64), 3);
  const auto x = images<double>(one.first().input().per_image());
  for (const int count : {kImages, 2}) {
    const Batch batch{x.data(), kLabels.data(), count};
    std::vector<double> a(size_t(count) * 5), b(a.size());
    one.predict({x.data(), nullptr, count}, a.data());
    three.predict({x.data(), nullptr, count}, b.data());
    check_near(b, a, 1e-14);
    ANX_CHECK_CLOSE(three.evaluate(batch).loss, one.evaluate(batch).loss, 1e-12);
    ANX_CHECK_EQUAL(three.evaluate(batch).top1, one.evaluate(batch).top1);
    ANX_CHECK_EQUAL(three.evaluate(batch).images, int64_t(count));
    std::vector<double> f(size_t(one.first().feature_shape("pool3", count).count())), g(f.size());
    one.features(batch, "pool3", f.data());
    three.features(batch, "pool3", g.data());
    check_near(g, f, 1e-13);
  }
}

ANX_TEST(a_failing_replica_ends_the_step_of_all_and_training_can_continue) {
  if (tested_kind() != DeviceKind::cpu) return;  // it replaces the back end under test
  stand_in_for_cuda([](std::unique_ptr<Device> cpu) -> std::unique_ptr<Device> {
    return std::make_unique<FullDevice>(std::move(cpu));
  });
  std::vector<double> want, losses;
  Network calm(two_towers(), options({"cpu:0", "cpu:1", "cpu:2"}, DType::f32), 3);
  train<float>(calm, 4, want);
  Network net(two_towers(), options({"cpu:0", "cuda:1", "cpu:2"}, DType::f32), 3);
  train<float>(net, 2, losses);
  // A larger batch needs more memory.
  const auto half = images<float>(net.first().input().per_image());
  std::vector<float> x = half;
  std::vector<int32_t> labels = kLabels;
  x.insert(x.end(), half.begin(), half.end());
  labels.insert(labels.end(), kLabels.begin(), kLabels.end());
  const Batch batch{x.data(), labels.data(), 2 * kImages};
  FullDevice::full = true;
  for (int i = 0; i < 3; ++i)
    ANX_CHECK_THROWS(DeviceError, "cpu:1 is full", step_of(net, batch, 2));
  FullDevice::full = false;
  train<float>(net, 2, losses, 2);
  ANX_CHECK(losses == want);
}

ANX_TEST(device_counts_that_do_not_match_the_replicas_are_rejected) {
  ANX_CHECK_THROWS(ConfigError, "3 devices cannot be divided among 2 replicas",
                   Network(two_towers(), options(devices(3), DType::f32), 2));
  ANX_CHECK_THROWS(ConfigError, "the number of replicas must be at least 1, got 0",
                   Network(two_towers(), options(devices(1), DType::f32), 0));
  ANX_CHECK_THROWS(ConfigError, "one or two devices, got 3",
                   Network(two_towers(), options(devices(6), DType::f32), 2));
}
