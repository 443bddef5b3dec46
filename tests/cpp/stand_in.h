// CPU devices that replace GPUs in a test, which can override their functions.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"
#include "ops/fingerprint.h"

namespace alexnet::test {

class StandIn : public Device {
 public:
  explicit StandIn(std::unique_ptr<Device> cpu) : cpu_(std::move(cpu)) {}
  DeviceId id() const override { return cpu_->id(); }
  int threads() const override { return cpu_->threads(); }
  int channel_block(DType dtype) const override { return cpu_->channel_block(dtype); }
  int conv_input_block(const std::string& engine, const ConvProblem& p) const override {
    return cpu_->conv_input_block(engine, p);
  }
  void* allocate(size_t bytes) override { return cpu_->allocate(bytes); }
  void release(void* data) noexcept override { cpu_->release(data); }
  void* allocate_host(size_t bytes) override { return cpu_->allocate_host(bytes); }
  void release_host(void* data) noexcept override { cpu_->release_host(data); }
  std::unique_ptr<Stream> make_stream() override { return cpu_->make_stream(); }
  std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem& p,
                                        const ConvPasses& passes) override {
    return cpu_->make_conv(name, p, passes);
  }

 private:
  std::unique_ptr<Device> cpu_;
};

using MakeStandIn = std::unique_ptr<Device> (*)(std::unique_ptr<Device> cpu);

// Makes every later device cuda:N the result of make(cpu:N). Only for tests on CPUs: the real back
// end can no longer be found.
inline void stand_in_for_cuda(MakeStandIn make) {
  static MakeStandIn chosen = nullptr;
  static const BackendApi api = {
      .kind = DeviceKind::cuda,
      .name = "stand-in",
      .ops = kOpsFingerprint,
      .devices = [] { return std::vector<DeviceInfo>(); },
      .make_device = [](DeviceId id, int threads) -> std::unique_ptr<Device> {
        return chosen(backend(DeviceKind::cpu).make_device({DeviceKind::cpu, id.index}, threads));
      },
      .missing = [] { return std::string(); },
      .write = nullptr};
  if (!chosen) register_backend(&api);
  chosen = make;
}

}  // namespace alexnet::test
