// What a stream records while it is profiled.
#include <string>

#include "check.h"
#include "device_memory.h"
#include "ops/run.h"

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
  ANX_CHECK(stream->take_profile().empty());  // each is handed out once
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
  ANX_CHECK(waits[0].end >= work[0].end);  // it ended when the other's work did
}

ANX_TEST(the_limits_of_a_device_are_measured) {
  const DeviceLimits limits = cpu(0, 1)->measure_limits();
  ANX_CHECK(limits.f32_flops > 1e8 && limits.f32_flops < 1e13);
  ANX_CHECK(limits.bf16_flops == 0 || limits.bf16_flops > 1e8);
  ANX_CHECK(limits.bytes > 1e8 && limits.bytes < 1e13);
}
