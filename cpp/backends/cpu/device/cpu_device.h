// A CPU device: its threads and its memory. cpu:0 and cpu:1 are separate devices.
#pragma once

#include <functional>

#include "backends/cpu/device/thread_pool.h"
#include "backends/cpu/kernels.h"
#include "core/device.h"

namespace alexnet {

class CpuDevice final : public Device {
 public:
  CpuDevice(DeviceId id, int threads) : id_(id), pool_(threads) {}

  DeviceId id() const override { return id_; }
  int threads() const override { return pool_.threads(); }
  int channel_block(DType dtype) const override;
  int conv_input_block(const std::string& engine, const ConvProblem&) const override;
  PeakRates measure_peak_rates() override;
  void* allocate(size_t bytes) override;
  void release(void* data) noexcept override;
  void* allocate_host(size_t bytes) override { return allocate(bytes); }
  void release_host(void* data) noexcept override { release(data); }
  std::unique_ptr<Stream> make_stream() override;
  std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem&,
                                        const ConvPasses&) override;

  ThreadPool& pool() { return pool_; }

 private:
  DeviceId id_;
  ThreadPool pool_;
};

}  // namespace alexnet
