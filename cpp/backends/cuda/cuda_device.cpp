#include "backends/cuda/cuda_device.h"

#include <algorithm>
#include <bit>

#include "backends/cuda/check.h"
#include "backends/cuda/conv_engines.h"
#include "backends/cuda/cuda_stream.h"
#include "backends/cuda/host_memory.h"
#include "backends/cuda/peak_rates.h"

namespace alexnet {
namespace {

int attribute(cudaDeviceAttr what, int device) {
  int value = 0;
  ANX_CUDA(cudaDeviceGetAttribute(&value, what, device));
  return value;
}

}  // namespace

CudaDevice::CudaDevice(DeviceId id) : id_(id), memory_(id.index), writes_(writes_to(id.index)) {
  const int most = attribute(cudaDevAttrMaxThreadsPerBlock, id.index);
  block_threads_ = int(std::bit_floor(unsigned(std::min(256, most))));
  processors_ = attribute(cudaDevAttrMultiProcessorCount, id.index);
}

bool CudaDevice::allow_tf32() {
  return tf32_ = attribute(cudaDevAttrComputeCapabilityMajor, id_.index) >= 8;
}

PeakRates CudaDevice::measure_peak_rates() { return measure_cuda_peak_rates(*this); }

void* CudaDevice::allocate_host(size_t bytes) { return host_memory().allocate(id_, bytes); }

void CudaDevice::release_host(void* data) noexcept { host_memory().release(data); }

bool CudaDevice::reaches(const void* data, size_t bytes) const {
  return host_memory().is_pinned(data, bytes);
}

std::unique_ptr<Stream> CudaDevice::make_stream() { return std::make_unique<CudaStream>(*this); }

std::unique_ptr<ConvEngine> CudaDevice::make_conv(const std::string& name,
                                                  const ConvProblem& problem,
                                                  const ConvPasses& passes) {
  return make_conv_engine(*this, name, problem, passes);
}

}  // namespace alexnet
