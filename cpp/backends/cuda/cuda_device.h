// A CUDA device: its memory and its properties.
#pragma once

#include <memory>

#include "backends/cuda/memory_pool.h"
#include "backends/cuda/writes.h"
#include "core/device.h"

namespace alexnet {

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(DeviceId id);

  DeviceId id() const override { return id_; }
  int threads() const override { return 0; }
  int channel_block(DType) const override { return 1; }
  bool allow_tf32() override;
  PeakRates measure_peak_rates() override;
  void* allocate(size_t bytes) override { return memory_.allocate(bytes); }
  void release(void* data) noexcept override { memory_.release(data); }
  void* allocate_host(size_t bytes) override;
  void release_host(void* data) noexcept override;
  bool reaches(const void* data, size_t bytes) const override;
  std::unique_ptr<Stream> make_stream() override;
  std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem&,
                                        const ConvPasses&) override;

  MemoryPool& memory() { return memory_; }
  int block_threads() const { return block_threads_; }
  int processors() const { return processors_; }
  bool tf32() const { return tf32_; }

 private:
  DeviceId id_;
  MemoryPool memory_;
  std::shared_ptr<Writes> writes_;  // keeps its stream alive as long as the device exists
  int block_threads_ = 0, processors_ = 0;
  bool tf32_ = false;
};

}  // namespace alexnet
