// Order within a stream, events and copies between two devices, errors.
#include "check.h"
#include "device_memory.h"
#include "ops/run.h"

using namespace alexnet;
using namespace alexnet::test;

ANX_TEST(a_stream_runs_its_tasks_in_order) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Shape shape{1, 1, 1, 40000};
  const Tensor ones = upload(*device, *stream, shape, std::vector<float>(40000, 1.0f));
  const Tensor sum = upload(*device, *stream, shape, std::vector<float>(40000, 0.0f));
  // More tasks than any queue holds; each task reads the result of the previous one.
  for (int i = 0; i < 1000; ++i) run(*stream, Add<float>{ones.view(), sum.view()});
  for (const float value : download<float>(*stream, sum.view())) ANX_CHECK_EQUAL(value, 1000.0f);
}

ANX_TEST(fill_zero_and_copies_move_every_byte) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  for (const int size : {1, 3, 1000003}) {
    const Shape shape{1, 1, 1, size};
    const auto values = random_values<float>(size, 1);
    const Tensor a = upload(*device, *stream, shape, values);
    const Tensor b(*device, shape, DType::f32);
    stream->copy(a.view(), b.view());
    ANX_CHECK(download<float>(*stream, b.view()) == values);
    stream->fill_zero(b.view());
    ANX_CHECK(download<float>(*stream, b.view()) == std::vector<float>(size_t(size), 0.0f));
  }
}

ANX_TEST(an_event_orders_a_copy_between_two_devices) {
  const auto first = tested(0), second = tested(1);
  const auto from = first->make_stream(), to = second->make_stream();
  const Shape shape{1, 1, 1, 200000};
  const Tensor ones = upload(*first, *from, shape, std::vector<float>(200000, 1.0f));
  const Tensor source = upload(*first, *from, shape, std::vector<float>(200000, 0.0f));
  const Tensor arrived = upload(*second, *to, shape, std::vector<float>(200000, -1.0f));
  const Tensor total = upload(*second, *to, shape, std::vector<float>(200000, 0.0f));
  const auto copied = from->make_event(), read = to->make_event();
  for (int step = 1; step <= 20; ++step) {
    run(*from, Add<float>{ones.view(), source.view()});
    from->wait(*read);  // recorded in the previous step: `arrived` must not change while it is read
    from->copy(source.view(), arrived.view());
    from->record(*copied);
    to->wait(*copied);
    run(*to, Add<float>{arrived.view(), total.view()});
    to->record(*read);
  }
  from->synchronize();
  for (const float value : download<float>(*to, total.view())) ANX_CHECK_EQUAL(value, 210.0f);
}

// The streams of both CPUs write to the same device at the same time. The simulator detects a write
// that is not ordered before the work that waits for it.
ANX_TEST(copies_from_two_cpus_have_arrived_when_the_device_continues) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Shape shape{1, 1, 1, 50000};
  const Tensor total = upload(*device, *stream, shape, std::vector<float>(50000, 0.0f));
  const auto read = stream->make_event();
  struct Sender {
    std::unique_ptr<Device> cpu;
    std::unique_ptr<Stream> stream = cpu->make_stream();
    std::unique_ptr<Event> sent = stream->make_event();
    Tensor value, arrived;
  };
  std::vector<Sender> senders;
  for (int i = 0; i < 2; ++i) {
    Sender& s = senders.emplace_back(Sender{cpu(2 + i)});
    s.value = upload(*s.cpu, *s.stream, shape, std::vector<float>(50000, float(1 + i)));
    s.arrived = Tensor(*device, shape, DType::f32);
  }
  for (int step = 0; step < 20; ++step) {
    for (Sender& s : senders) {
      s.stream->wait(*read);  // `arrived` is no longer read
      s.stream->copy(s.value.view(), s.arrived.view());
      s.stream->record(*s.sent);
    }
    for (Sender& s : senders) {
      stream->wait(*s.sent);
      run(*stream, Add<float>{s.arrived.view(), total.view()});
    }
    stream->record(*read);
  }
  for (const float value : download<float>(*stream, total.view())) ANX_CHECK_EQUAL(value, 60.0f);
}

ANX_TEST(only_memory_from_allocate_host_is_reached) {
  const auto device = tested(0), other = tested(tested_index(1));
  const bool reaches = tested_kind() != DeviceKind::cpu;  // always false on a CPU
  auto* data = static_cast<char*>(device->allocate_host(1000));
  ANX_CHECK_EQUAL(reinterpret_cast<uintptr_t>(data) % 64, uintptr_t(0));
  ANX_CHECK_EQUAL(device->reaches(data, 1000), reaches);
  ANX_CHECK_EQUAL(other->reaches(data + 10, 990), reaches);
  for (const Device* d : {device.get(), other.get()}) {
    ANX_CHECK(!d->reaches(data, 1001));
    ANX_CHECK(!d->reaches(data - 1, 10));
    ANX_CHECK(!d->reaches(&reaches, 1));
  }
  other->release_host(data);
  ANX_CHECK(!device->reaches(data, 1));
  device->release_host(nullptr);
}

ANX_TEST(waiting_for_an_event_that_was_never_recorded_does_not_block) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const auto event = stream->make_event();
  stream->wait(*event);
  stream->synchronize();
}

ANX_TEST(a_copy_on_the_stream_of_the_destination_is_rejected) {
  const auto first = tested(0), second = tested(1);
  const auto from = first->make_stream(), to = second->make_stream();
  const Tensor a(*first, {1, 1, 1, 8}, DType::f32), b(*second, {1, 1, 1, 8}, DType::f32);
  ANX_CHECK_THROWS(
      DeviceError,
      "a copy from " + tested_name(0) + " was enqueued on a stream of " + tested_name(1),
      to->copy(a.view(), b.view()));
  const Tensor c(*second, {1, 1, 1, 9}, DType::f32);
  ANX_CHECK_THROWS(InternalError, "1x1x1x9", from->copy(a.view(), c.view()));
}

ANX_TEST(two_streams_of_one_device_can_run_at_the_same_time) {
  const auto device = tested(0, 3);
  const auto a = device->make_stream(), b = device->make_stream();
  const Shape shape{1, 1, 1, 50000};
  const Tensor ones = upload(*device, *a, shape, std::vector<double>(50000, 1.0));
  const Tensor left = upload(*device, *a, shape, std::vector<double>(50000, 0.0));
  const Tensor right = upload(*device, *b, shape, std::vector<double>(50000, 0.0));
  for (int i = 0; i < 100; ++i) {
    run(*a, Add<double>{ones.view(), left.view()});
    run(*b, Add<double>{ones.view(), right.view()});
  }
  for (const double value : download<double>(*a, left.view())) ANX_CHECK_EQUAL(value, 100.0);
  for (const double value : download<double>(*b, right.view())) ANX_CHECK_EQUAL(value, 100.0);
}

ANX_TEST(a_stream_finishes_its_work_before_it_is_destroyed) {
  const auto device = tested(0);
  const auto check = device->make_stream();
  const Shape shape{1, 1, 1, 100000};
  const Tensor ones = upload(*device, *check, shape, std::vector<float>(100000, 1.0f));
  const Tensor sum = upload(*device, *check, shape, std::vector<float>(100000, 0.0f));
  {
    const auto stream = device->make_stream();
    for (int i = 0; i < 50; ++i) run(*stream, Add<float>{ones.view(), sum.view()});
  }
  for (const float value : download<float>(*check, sum.view())) ANX_CHECK_EQUAL(value, 50.0f);
}

ANX_TEST(memory_is_aligned_and_an_impossible_request_is_reported) {
  const auto device = tested(0);
  for (const size_t bytes : {size_t(0), size_t(1), size_t(1000), size_t(5) << 20}) {
    void* data = device->allocate(bytes);
    ANX_CHECK_EQUAL(reinterpret_cast<uintptr_t>(data) % 64, uintptr_t(0));
    device->release(data);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they end the program
  ANX_CHECK_THROWS(DeviceError, tested_name(0), device->allocate(size_t(1) << 60));
#endif
}
