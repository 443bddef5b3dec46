// NCCL between two simulated GPUs (tests/cuda_sim/fake_nccl.cpp), compared with the built-in
// communicator.
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

// The sums on rank 0 after several calls without waiting in between.
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

ANX_TEST(two_ranks_get_the_same_bits_as_with_the_built_in_communicator) {
  ANX_CHECK(sums<float>("nccl") == sums<float>(kBuiltIn));
  ANX_CHECK(sums<double>("nccl") == sums<double>(kBuiltIn));
}

ANX_TEST(a_waiting_rank_throws_when_another_rank_fails) {
  Ranks ranks("nccl");
  const Tensor tensor(*ranks.list[0], {9}, DType::f32);
  const AnyView view = tensor.view();
  in_threads([&](size_t r) {
    if (r == 1) return ranks.all[1]->abort();
    ANX_CHECK_THROWS(DeviceError, "another replica failed",
                     ranks.all[0]->all_reduce(*ranks.streams[0], std::span(&view, 1)));
  });
}

ANX_TEST(a_gpu_listed_twice_is_rejected_with_advice) {
  const std::vector<DeviceId> twice(2, DeviceId{DeviceKind::cuda, 1});
  ANX_CHECK_EQUAL(communicator("nccl", twice).missing(twice),
                  "NCCL needs a different GPU for each rank, but cuda:1 is listed twice: use the "
                  "communicator built-in");
}
