// The records of a profiled stream, and the profile and costs of a network.
#include <set>
#include <string>

#include "check.h"
#include "device_memory.h"
#include "ops/run.h"
#include "small_nets.h"
#include "train/replica.h"

using namespace alexnet;
using namespace alexnet::test;

ANX_TEST(a_stream_records_its_tasks_in_order_while_it_is_profiled) {
  const auto device = cpu(0);
  const auto stream = device->make_stream();
  const Shape shape{1, 1, 1, 5000};
  const Tensor a = upload(*device, *stream, shape, std::vector<float>(5000, 1.0f));
  const Tensor b = upload(*device, *stream, shape, std::vector<float>(5000, 1.0f));
  ANX_CHECK(stream->take_profile().empty());

  const int64_t before = profile_clock();
  stream->profile(true);
  stream->set_label("first", Phase::forward);
  run(*stream, Add<float>{a.view(), b.view()});
  stream->set_label("second", Phase::backward);
  stream->copy(a.view(), b.view());
  stream->fill_zero(b.view());
  stream->profile(false);
  stream->set_label("third", Phase::update);
  run(*stream, Add<float>{a.view(), b.view()});
  stream->synchronize();

  const std::vector<TaskRecord> records = stream->take_profile();
  ANX_CHECK_EQUAL(records.size(), size_t(3));
  if (records.size() != 3) return;
  const char* labels[] = {"first", "second", "second"};
  const char* whats[] = {"add", "copy", "zero"};
  const Phase phases[] = {Phase::forward, Phase::backward, Phase::backward};
  int64_t last = before;
  for (size_t i = 0; i < 3; ++i) {
    ANX_CHECK_EQUAL(std::string(records[i].label), std::string(labels[i]));
    ANX_CHECK_EQUAL(std::string(records[i].what), std::string(whats[i]));
    ANX_CHECK(records[i].phase == phases[i]);
    ANX_CHECK(last <= records[i].start && records[i].start <= records[i].end);
    last = records[i].end;
  }
  ANX_CHECK(last <= profile_clock());
  ANX_CHECK(stream->take_profile().empty());  // records are returned once
}

ANX_TEST(a_stream_that_waits_for_another_records_the_wait) {
  const auto first = cpu(0), second = cpu(1);
  const auto from = first->make_stream(), to = second->make_stream();
  const auto done = from->make_event();
  const Shape shape{1, 1, 1, 3000000};
  const Tensor a = upload(*first, *from, shape, std::vector<float>(3000000, 1.0f));
  const Tensor b = upload(*first, *from, shape, std::vector<float>(3000000, 1.0f));
  from->profile(true);
  to->profile(true);
  run(*from, Add<float>{a.view(), b.view()});
  from->record(*done);
  to->wait(*done);
  from->synchronize();
  to->synchronize();
  const auto work = from->take_profile(), waits = to->take_profile();
  ANX_CHECK_EQUAL(work.size(), size_t(1));
  ANX_CHECK_EQUAL(waits.size(), size_t(1));
  if (work.size() != 1 || waits.size() != 1) return;
  ANX_CHECK(waits[0].phase == Phase::wait);
  ANX_CHECK(waits[0].end >= work[0].end);  // the wait ended after the work of the other stream
}

ANX_TEST(the_peak_rates_of_a_device_are_measured) {
  const PeakRates rates = cpu(0, 1)->measure_peak_rates();
  ANX_CHECK(rates.f32_flops > 1e8 && rates.f32_flops < 1e13);
  ANX_CHECK(rates.bf16_flops == 0 || rates.bf16_flops > 1e8);
  ANX_CHECK(rates.bytes > 1e8 && rates.bytes < 1e13);
}

ANX_TEST(taps_in_the_padding_are_counted) {
  // 3x3 with padding 1 on 13x13: 3 * 13 - 2 of 3 * 13 taps along each side are inside.
  const ConvProblem same{.x = {2, 8, 13, 13},
                         .y = {2, 6, 13, 13},
                         .kernel_h = 3,
                         .kernel_w = 3,
                         .pad_h = 1,
                         .pad_w = 1,
                         .groups = 2};
  ANX_CHECK_EQUAL(same.multiply_adds(), int64_t(2 * 6 * 4) * 39 * 39);
  ANX_CHECK_EQUAL(same.padding_multiply_adds(), int64_t(2 * 6 * 4) * (39 * 39 - 37 * 37));
  // 11 with stride 4 on 224, `ceil`: the last of 55 windows reads 3 columns beyond the edge.
  const ConvProblem ceil{.x = {1, 3, 224, 224},
                         .y = {1, 2, 55, 55},
                         .kernel_h = 11,
                         .kernel_w = 11,
                         .stride_h = 4,
                         .stride_w = 4};
  ANX_CHECK_EQUAL(ceil.padding_multiply_adds(),
                  int64_t(2 * 3) * (605 * 605 - (605 - 3) * (605 - 3)));
}

ANX_TEST(a_networks_profile_has_a_record_for_every_cost_and_a_cost_for_every_record) {
  constexpr int images = 3;
  for (const auto& devices : {std::vector<std::string>{"cpu:0"}, {"cpu:0", "cpu:1"}}) {
    Replica net(two_towers(), {.devices = devices, .threads = 2});
    const std::vector<float> x(size_t(net.input().per_image()) * images, 0.5f);
    const std::vector<int32_t> labels = {0, 1, 2};
    net.train_step({x.data(), labels.data(), images}, 0);
    ANX_CHECK_EQUAL(net.take_profile()[0].tasks.size(), size_t(0));
    net.profile(true);
    net.train_step({x.data(), labels.data(), images}, 1);
    net.profile(false);
    net.train_step({x.data(), labels.data(), images}, 2);

    using Key = std::tuple<size_t, std::string, Phase>;
    std::set<Key> done, expected;
    const std::vector<ProfiledLane> lanes = net.take_profile();
    ANX_CHECK_EQUAL(lanes.size(), devices.size());
    for (size_t lane = 0; lane < lanes.size(); ++lane) {
      ANX_CHECK_EQUAL(lanes[lane].device, devices[lane]);
      for (const ProfiledTask& t : lanes[lane].tasks)
        if (t.phase == Phase::forward || t.phase == Phase::backward || t.phase == Phase::update)
          done.insert({lane, t.label, t.phase});
    }
    for (const Cost& c : net.costs(images, true)) {
      expected.insert({size_t(c.device), c.label, c.phase});
      ANX_CHECK(c.bytes > 0);
    }
    ANX_CHECK(done == expected);
  }
}

ANX_TEST(costs_count_products_and_operands) {
  Replica net(two_towers(), {.threads = 1});
  net.set_update("fc8.weight", {0, 0, 0});  // frozen: its gradient is not computed
  std::map<std::pair<std::string, Phase>, Cost> found;
  for (const Cost& c : net.costs(2, true)) found[{c.label, c.phase}] = c;
  // fc7: 6 channels of 14 features, two images.
  const Cost& forward = found.at({"fc7", Phase::forward});
  ANX_CHECK_EQUAL(forward.multiply_adds, int64_t(2 * 6 * 14));
  ANX_CHECK_EQUAL(forward.bytes, int64_t(4 * (2 * 14 + 2 * 6 + 6 * 14 + 6)));
  const Cost& backward = found.at({"fc7", Phase::backward});
  ANX_CHECK_EQUAL(backward.multiply_adds, 2 * forward.multiply_adds);
  // x, dy, weights read; dx, dw, db written
  ANX_CHECK_EQUAL(backward.bytes, int64_t(4 * (2 * 14 + 2 * 6 + 6 * 14 + 2 * 14 + 6 * 14 + 6)));
  ANX_CHECK_EQUAL(found.at({"fc7.weight", Phase::update}).bytes, int64_t(4 * 5 * 6 * 14));
  ANX_CHECK_EQUAL(found.count({"fc8.weight", Phase::update}), size_t(0));
  ANX_CHECK_EQUAL(found.at({"fc8", Phase::backward}).multiply_adds,
                  found.at({"fc8", Phase::forward}).multiply_adds);
  // The first layer does not compute the gradient with respect to the image.
  ANX_CHECK_EQUAL(found.at({"conv1", Phase::backward}).multiply_adds,
                  found.at({"conv1", Phase::forward}).multiply_adds);
}
