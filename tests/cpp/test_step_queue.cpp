// Counts the copies of a step's data on its way to the device, with a CPU device that replaces a
// GPU and records which memory allocate_host() returned.
#include <algorithm>
#include <map>

#include "check.h"
#include "device_memory.h"
#include "train/step_queue.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

// A stream that records the source addresses of uploads.
class Watched final : public Stream {
 public:
  Watched(std::unique_ptr<Stream> own, std::vector<const void*>& uploads)
      : own_(std::move(own)), uploads_(uploads) {}
  DeviceId device() const override { return own_->device(); }
  void launch(int i, const void* op, size_t size, Grid g) override { own_->launch(i, op, size, g); }
  void gemm(const Gemm& g) override { own_->gemm(g); }
  void fill_zero(AnyView dst) override { own_->fill_zero(dst); }
  void copy(AnyView src, AnyView dst) override { own_->copy(src, dst); }
  void upload(const void* src, AnyView dst) override {
    uploads_.push_back(src);
    own_->upload(src, dst);
  }
  void download(AnyView src, void* dst) override { own_->download(src, dst); }
  std::unique_ptr<Event> make_event() override { return own_->make_event(); }
  void record(Event& event) override { own_->record(event); }
  void wait(Event& event) override { own_->wait(event); }
  void set_label(const char* label, Phase phase) override { own_->set_label(label, phase); }
  void synchronize() override { own_->synchronize(); }

 private:
  std::unique_ptr<Stream> own_;
  std::vector<const void*>& uploads_;
};

class Reaching final : public Device {
 public:
  DeviceId id() const override { return cpu_->id(); }
  int threads() const override { return 0; }
  int channel_block(DType dtype) const override { return cpu_->channel_block(dtype); }
  int conv_input_block(const std::string& engine, const ConvProblem& p) const override {
    return cpu_->conv_input_block(engine, p);
  }
  void* allocate(size_t bytes) override { return cpu_->allocate(bytes); }
  void release(void* data) noexcept override { cpu_->release(data); }
  void* allocate_host(size_t bytes) override {
    void* data = cpu_->allocate_host(bytes);
    host_[static_cast<char*>(data)] = bytes;
    return data;
  }
  void release_host(void* data) noexcept override {
    host_.erase(static_cast<char*>(data));
    cpu_->release_host(data);
  }
  bool reaches(const void* data, size_t bytes) const override {
    const auto* at = static_cast<const char*>(data);
    return std::any_of(host_.begin(), host_.end(), [&](const auto& own) {
      return at >= own.first && at + bytes <= own.first + own.second;
    });
  }
  std::unique_ptr<Stream> make_stream() override {
    return std::make_unique<Watched>(cpu_->make_stream(), uploads);
  }
  std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem& p,
                                        const ConvPasses& passes) override {
    return cpu_->make_conv(name, p, passes);
  }

  std::vector<const void*> uploads;
  size_t host_buffers() const { return host_.size(); }

 private:
  std::unique_ptr<Device> cpu_ = cpu(0, 1);
  std::map<const char*, size_t> host_;
};

// Steps whose scores are the values that were fed.
struct Steps {
  static constexpr int kCount = 40000;  // too large to be copied by the calling thread
  Reaching device;
  std::unique_ptr<Stream> stream = device.make_stream();
  Tensor target{device, {1, 1, 1, kCount}, DType::f32};
  StepQueue queue{{&device}, {stream.get()}};
  ~Steps() {  // as in a network: enqueued work uses the memory of all members
    stream->synchronize();
    queue.synchronize();
  }

  void enqueue(const float* data, std::shared_ptr<const void> owner = nullptr) {
    queue.begin(std::move(owner));
    queue.feed(data, target.view(), "data");
    queue.push(target.view(), 1, *stream);
  }
  float result() { return static_cast<const float*>(queue.pop().data)[kCount - 1]; }
};

struct Pinned {
  explicit Pinned(Device& device)
      : device(device), data(static_cast<float*>(device.allocate_host(4 * Steps::kCount))) {}
  ~Pinned() { device.release_host(data); }
  void fill(float value) { std::fill_n(data, Steps::kCount, value); }
  Device& device;
  float* data;
};

}  // namespace

ANX_TEST(pinned_batches_are_uploaded_without_a_copy) {
  Steps steps;
  Pinned batch(steps.device);
  for (int step = 0; step < 5; ++step) {
    batch.fill(float(step));
    steps.enqueue(batch.data);
    ANX_CHECK_EQUAL(steps.device.uploads.back(), static_cast<const void*>(batch.data));
    ANX_CHECK_EQUAL(steps.result(), float(step));
  }
  ANX_CHECK_EQUAL(steps.device.uploads.size(), size_t(5));
  ANX_CHECK_EQUAL(steps.device.host_buffers(), size_t(3));  // the batch, and two for scores
}

ANX_TEST(other_batches_are_copied_once_and_may_be_overwritten_at_once) {
  Steps steps;
  std::vector<float> batch(Steps::kCount);
  for (int step = 0; step < 5; ++step) {
    std::fill(batch.begin(), batch.end(), float(step));
    steps.enqueue(batch.data());
    std::fill(batch.begin(), batch.end(), -1.0f);
    ANX_CHECK(steps.device.uploads.back() != batch.data());
    ANX_CHECK(steps.device.reaches(steps.device.uploads.back(), 4 * Steps::kCount));
    ANX_CHECK_EQUAL(steps.result(), float(step));
  }
  ANX_CHECK_EQUAL(steps.device.host_buffers(), size_t(4));  // data and scores of two slots
}

ANX_TEST(partly_pinned_memory_is_not_treated_as_pinned) {
  Steps steps;
  Pinned batch(steps.device);
  ANX_CHECK(steps.device.reaches(batch.data + 1, 4 * Steps::kCount - 4));
  ANX_CHECK(!steps.device.reaches(batch.data + 1, 4 * Steps::kCount));
  ANX_CHECK(!cpu(0)->reaches(batch.data, 4));  // always false on a CPU
}

ANX_TEST(a_batch_is_kept_until_the_scores_of_its_step_are_read) {
  Steps steps;
  Pinned batch(steps.device);
  batch.fill(1);
  auto first = std::make_shared<int>(1), second = std::make_shared<int>(2);
  const std::weak_ptr<int> one = first, two = second;
  steps.enqueue(batch.data, std::move(first));
  steps.enqueue(batch.data, std::move(second));
  ANX_CHECK(!one.expired() && !two.expired());
  steps.result();
  ANX_CHECK(one.expired() && !two.expired());
  steps.queue.synchronize();  // no step reads its batch any more
  ANX_CHECK(two.expired());
  steps.result();
}

// This happens when a program is built for another batch size, which waits for the previous step.
ANX_TEST(a_wait_between_begin_and_feed_keeps_the_batch) {
  Steps steps;
  Pinned batch(steps.device);
  batch.fill(1);
  auto first = std::make_shared<int>(1), second = std::make_shared<int>(2);
  const std::weak_ptr<int> one = first, two = second;
  steps.enqueue(batch.data, std::move(first));
  steps.queue.begin(std::move(second));
  steps.queue.synchronize();
  ANX_CHECK(one.expired() && !two.expired());
  steps.queue.feed(batch.data, steps.target.view(), "data");
  ANX_CHECK(!two.expired());
  steps.queue.push(steps.target.view(), 1, *steps.stream);
  steps.result();
  ANX_CHECK(!two.expired());
  steps.result();
  ANX_CHECK(two.expired());
}

ANX_TEST(a_copied_batch_is_not_kept) {
  Steps steps;
  const std::vector<float> batch(Steps::kCount, 1.0f);
  auto owner = std::make_shared<int>(1);
  const std::weak_ptr<int> held = owner;
  steps.enqueue(batch.data(), std::move(owner));
  ANX_CHECK(held.expired());
}

ANX_TEST(a_batch_of_a_failed_step_is_released) {
  Steps steps;
  Pinned batch(steps.device);
  auto owner = std::make_shared<int>(1);
  const std::weak_ptr<int> held = owner;
  steps.queue.begin(std::move(owner));
  steps.queue.feed(batch.data, steps.target.view(), "data");
  steps.queue.forget();
  steps.queue.synchronize();
  ANX_CHECK(held.expired());
  ANX_CHECK_EQUAL(steps.queue.waiting(), 0);
}
