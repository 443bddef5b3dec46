// The built-in communicator: sums over ranks, with one thread per rank.
#include <chrono>
#include <functional>
#include <thread>

#include "check.h"
#include "core/communicator.h"
#include "device_memory.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

constexpr size_t kLargest = 1 << 20;

void in_threads(int ranks, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) threads.emplace_back([&work, r] { work(r); });
  for (std::thread& thread : threads) thread.join();
}

struct Ranks {
  explicit Ranks(int count) : Ranks(count, [](int r) { return tested(tested_index(r), 1); }) {}

  template <class F>
  Ranks(int count, F&& device) {
    std::vector<Device*> list;
    for (int r = 0; r < count; ++r) {
      devices.push_back(device(r));
      list.push_back(devices.back().get());
    }
    communicators = communicator(kBuiltIn, {}).make(list, kLargest);
    for (auto& device : devices) streams.push_back(device->make_stream());
  }
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<std::unique_ptr<Communicator>> communicators;
  std::vector<std::unique_ptr<Stream>> streams;
};

// One element, fewer elements than ranks, odd sizes, and more than a kernel's chunk.
const std::vector<int> kSizes = {1, 3, 40001, 2, 977};

template <class T>
std::vector<T> values_of(int rank, size_t index, int step) {
  return random_values<T>(kSizes[index], uint32_t(1000 * rank + 10 * int(index) + step));
}

template <class T>
void check_sums(int count, int delay_us) {
  Ranks ranks(count);
  in_threads(count, [&](int r) {
    Device& device = *ranks.devices[size_t(r)];
    Stream& stream = *ranks.streams[size_t(r)];
    std::vector<Tensor> tensors;
    std::vector<AnyView> views;
    for (const int size : kSizes) {
      tensors.emplace_back(device, Shape{size, 1, 1, 1}, dtype_of<T>);
      views.push_back(tensors.back().view());
    }
    for (int step = 0; step < 3; ++step) {
      std::vector<std::vector<T>> own;
      for (size_t i = 0; i < kSizes.size(); ++i) own.push_back(values_of<T>(r, i, step));
      for (size_t i = 0; i < kSizes.size(); ++i) stream.upload(own[i].data(), views[i]);
      std::this_thread::sleep_for(std::chrono::microseconds(delay_us * (r + 1)));
      ranks.communicators[size_t(r)]->all_reduce(stream, views);
      ranks.communicators[size_t(r)]->all_reduce(stream, std::span(views).subspan(1, 1));
      stream.synchronize();
      for (size_t i = 0; i < kSizes.size(); ++i) {
        std::vector<T> want = values_of<T>(0, i, step);
        for (int other = 1; other < count; ++other) {
          const std::vector<T> x = values_of<T>(other, i, step);
          for (size_t k = 0; k < want.size(); ++k) want[k] += x[k];
        }
        if (i == 1)  // reduced twice, from equal values
          for (T& value : want) {
            const T once = value;
            for (int other = 1; other < count; ++other) value += once;
          }
        ANX_CHECK(download<T>(stream, views[i]) == want);
      }
    }
  });
}

}  // namespace

ANX_TEST(every_rank_gets_the_same_bits_summed_in_rank_order) {
  for (const int count : {1, 2, 3, 5}) {
    check_sums<float>(count, 0);
    check_sums<double>(count, 0);
  }
}

ANX_TEST(the_order_of_arrival_does_not_matter) { check_sums<float>(3, 300); }

// The work on the CPU's stream runs later than the threads that enqueue it.
ANX_TEST(repeated_sums_of_a_gpu_and_a_cpu_do_not_wait_for_the_work) {
  constexpr int kCalls = 12, kCount = 40001;
  Ranks ranks(2, [](int r) { return r == 0 ? tested(0, 1) : cpu(1, 1); });
  in_threads(2, [&](int r) {
    Stream& stream = *ranks.streams[size_t(r)];
    const Tensor sum = upload(*ranks.devices[size_t(r)], stream, {kCount, 1, 1, 1},
                              std::vector<float>(kCount, float(r + 1)));
    const AnyView view = sum.view();
    for (int call = 0; call < kCalls; ++call)
      ranks.communicators[size_t(r)]->all_reduce(stream, std::span(&view, 1));
    ANX_CHECK(download<float>(stream, view) ==
              std::vector<float>(kCount, 3.0f * float(1 << (kCalls - 1))));
  });
}

ANX_TEST(waiting_ranks_throw_when_another_rank_fails) {
  Ranks ranks(3);
  std::vector<Tensor> tensors;
  for (const auto& device : ranks.devices) tensors.emplace_back(*device, Shape{9}, DType::f32);
  std::vector<std::string> said(3);
  in_threads(3, [&](int r) {
    if (r == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ranks.communicators[1]->abort();
      return;
    }
    try {
      const AnyView view = tensors[size_t(r)].view();
      ranks.communicators[size_t(r)]->all_reduce(*ranks.streams[size_t(r)], std::span(&view, 1));
    } catch (const DeviceError& e) {
      said[size_t(r)] = e.what();
    }
  });
  ANX_CHECK_EQUAL(said[0], "another replica failed");
  ANX_CHECK_EQUAL(said[2], "another replica failed");
  const AnyView view = tensors[0].view();
  ANX_CHECK_THROWS(DeviceError, "another replica failed",
                   ranks.communicators[0]->all_reduce(*ranks.streams[0], std::span(&view, 1)));
  for (auto& stream : ranks.streams) stream->synchronize();
}

ANX_TEST(calls_above_the_maximum_size_are_rejected) {
  Ranks ranks(2);
  const Tensor tensor(*ranks.devices[0], {1, 1, 1, int(kLargest / 4) + 1}, DType::f32);
  const AnyView view = tensor.view();
  ANX_CHECK_THROWS(InternalError, "at most",
                   ranks.communicators[0]->all_reduce(*ranks.streams[0], std::span(&view, 1)));
}
