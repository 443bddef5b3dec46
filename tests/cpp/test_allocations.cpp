// A training step allocates nothing after the first two, which plan programs and grow buffers.
#include <atomic>
#include <cstdlib>
#include <new>

#include "check.h"
#include "small_nets.h"
#include "train/replica.h"

namespace {
std::atomic<int64_t> allocations{0};
}

// Replaced in the whole program, so these tests are a separate program: the other tests keep the
// sanitizers' operators.
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size ? size : 1);
}
void* operator new(size_t size) {
  if (void* data = operator new(size, std::nothrow)) return data;
  throw std::bad_alloc();
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }

using namespace alexnet;
using namespace alexnet::test;

namespace {

int64_t allocations_of_three_steps(const std::vector<std::string>& devices, int width,
                                   bool augmented = false) {
  constexpr int images = 6;
  Replica net(two_towers(width), {.devices = devices, .threads = 2});
  const std::vector<float> x(size_t(net.input().per_image()) * images, 0.5f);
  const std::vector<int32_t> labels = {4, 0, 1, 3, 2, 1};
  uint64_t step = 0;
  const std::vector<uint8_t> records(3 * 40 * 40 * images, 7), mirror(images, 1);
  const std::vector<int32_t> offsets(2 * images, 3);
  const std::vector<float> color(3 * images, 0.1f);
  const RawImages raw{records.data(), 40, 40, offsets.data(), mirror.data(), color.data(), 0.1f};
  net.set_mean({std::vector<float>(3 * 40 * 40, 5.0f), {1, 3, 40, 40}});
  Batch batch{x.data(), labels.data(), images};
  if (augmented) batch.raw = raw;
  const auto train = [&] { net.train_step(batch, step++); };
  train();
  train();
  const int64_t before = allocations;
  for (int i = 0; i < 3; ++i) train();
  return allocations - before;
}

}  // namespace

ANX_TEST(allocations_are_counted) {
  const int64_t before = allocations;
  const std::vector<int> some(10);
  ANX_CHECK(some.size() == 10 && allocations > before);
}

ANX_TEST(a_training_step_allocates_nothing) {
  for (const int width : {1, 8}) {  // planes, and channel blocks
    ANX_CHECK_EQUAL(allocations_of_three_steps({"cpu:0"}, width), int64_t(0));
    ANX_CHECK_EQUAL(allocations_of_three_steps({"cpu:0", "cpu:1"}, width), int64_t(0));
    ANX_CHECK_EQUAL(allocations_of_three_steps({"cpu:0", "cpu:1"}, width, true), int64_t(0));
  }
}
