// NCCL between two simulated GPUs, beside the built-in communicator: fake_nccl.cpp of
// tests/cuda_sim.
#include <functional>
#include <thread>

#include "check.h"
#include "core/communicator.h"
#include "device_memory.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

constexpr size_t kLargest = 1 << 20;
const std::vector<int> kSizes = {1, 40001, 3, 977};

void in_threads(const std::function<void(size_t)>& work) {
  std::thread other([&] { work(1); });
  work(0);
  other.join();
}

struct Ranks {
  explicit Ranks(const std::string& name) {
    for (int r = 0; r < 2; ++r) {
      devices.push_back(backend(DeviceKind::cuda).make_device(ids[size_t(r)], 1));
      list.push_back(devices.back().get());
      streams.push_back(list.back()->make_stream());
    }
    const CommunicatorApi& api = communicator(name, ids);
    ANX_CHECK_EQUAL(api.missing(ids), "");
    all = api.make(list, kLargest);
  }
  const std::vector<DeviceId> ids = {{DeviceKind::cuda, 0}, {DeviceKind::cuda, 1}};
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<Device*> list;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<Communicator>> all;
};

// Of rank 0, after several calls that follow each other without a wait.
template <class T>
std::vector<T> sums(const std::string& name) {
  Ranks ranks(name);
  std::vector<T> out[2];
  in_threads([&](size_t r) {
    Stream& stream = *ranks.streams[r];
    std::vector<Tensor> tensors;
    std::vector<AnyView> views;
    for (size_t i = 0; i < kSizes.size(); ++i) {
      const auto values = random_values<T>(kSizes[i], uint32_t(900 + 10 * i + r));
      tensors.push_back(upload(*ranks.list[r], stream, {kSizes[i], 1, 1, 1}, values));
      views.push_back(tensors.back().view());
    }
    ranks.all[r]->all_reduce(stream, views);
    ranks.all[r]->all_reduce(stream, std::span(views).subspan(1, 2));
    ranks.all[r]->all_reduce(stream, std::span(views).subspan(1, 1));
    for (const AnyView& view : views)
      for (const T value : download<T>(stream, view)) out[r].push_back(value);
  });
  ANX_CHECK(out[0] == out[1]);
  return out[0];
}

}  // namespace

ANX_TEST(two_ranks_have_the_sums_of_the_built_in_communicator_to_the_last_bit) {
  ANX_CHECK(sums<float>("nccl") == sums<float>(kBuiltIn));
  ANX_CHECK(sums<double>("nccl") == sums<double>(kBuiltIn));
}

ANX_TEST(a_rank_that_waits_for_one_that_failed_is_told_so) {
  Ranks ranks("nccl");
  const Tensor tensor(*ranks.list[0], {9}, DType::f32);
  const AnyView view = tensor.view();
  in_threads([&](size_t r) {
    if (r == 1) return ranks.all[1]->abort();
    ANX_CHECK_THROWS(DeviceError, "another replica failed",
                     ranks.all[0]->all_reduce(*ranks.streams[0], std::span(&view, 1)));
  });
}

ANX_TEST(one_gpu_twice_is_refused_with_what_to_take) {
  const std::vector<DeviceId> twice(2, DeviceId{DeviceKind::cuda, 1});
  ANX_CHECK_EQUAL(communicator("nccl", twice).missing(twice),
                  "NCCL sums between different GPUs, and cuda:1 is named twice: take the "
                  "communicator built-in");
}
