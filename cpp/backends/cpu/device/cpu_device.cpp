#include "backends/cpu/device/cpu_device.h"

#include <sys/mman.h>

#include <cstdlib>

#include "backends/cpu/device/cpu_stream.h"
#include "backends/cpu/device/peak_rates.h"
#include "backends/cpu/direct/conv_direct.h"
#include "backends/cpu/gemm/conv_gemm.h"
#include "backends/cpu/winograd/conv_winograd.h"

namespace alexnet {

int CpuDevice::channel_block(DType dtype) const {
  return dtype == DType::f64 ? 1 : kernels().direct.lanes;
}

// Blocks for every engine that computes in them, where the direct convolution does.
int CpuDevice::conv_input_block(const std::string& engine, const ConvProblem& problem) const {
  ConvProblem blocked = problem;
  blocked.block = channel_block(problem.dtype);
  return engine != "gemm" && !problem.reads_image && fits_conv_direct(blocked) ? blocked.block : 1;
}

PeakRates CpuDevice::measure_peak_rates() { return measure_cpu_peak_rates(*this); }

void* CpuDevice::allocate(size_t bytes) {
  constexpr size_t huge = size_t(2) << 20;
  const size_t alignment = bytes >= huge ? huge : 64;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes ? bytes : 1) != 0)
    fail<DeviceError>("{} is out of memory: {} MiB were requested; use a smaller batch",
                      to_string(id_), bytes >> 20);
#if defined(MADV_HUGEPAGE)
  if (bytes >= huge)
    madvise(data, bytes, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses
#endif
  return data;
}

void CpuDevice::release(void* data) noexcept { std::free(data); }

std::unique_ptr<Stream> CpuDevice::make_stream() { return std::make_unique<CpuStream>(*this); }

// CPU engines prepare nothing for a pass, so the passes do not matter.
std::unique_ptr<ConvEngine> CpuDevice::make_conv(const std::string& name,
                                                 const ConvProblem& problem, const ConvPasses&) {
  require<ConfigError>(
      name == "auto" || name == "direct" || name == "winograd" || name == "gemm",
      "there is no convolution engine '{}' on {}: choose auto, direct, winograd or gemm", name,
      to_string(id_));
  const bool fits = fits_conv_direct(problem);
  require<ConfigError>(
      name != "direct" || fits,
      "engine direct needs float32 or bfloat16, a multiple of {} channels in each group, and "
      "stride 1 (any stride in the first layer): choose auto or gemm",
      kernels().direct.lanes);
  require<ConfigError>(
      name != "winograd" || fits_conv_winograd(problem),
      "engine winograd needs float32 or bfloat16, a multiple of {} channels in each group, "
      "stride 1 and a kernel of 3 or 5: choose auto or direct",
      kernels().direct.lanes);
  if (name == "winograd" || (name == "auto" && prefers_conv_winograd(problem)))
    return make_conv_winograd(*this, problem);
  if (name != "gemm" && fits) return make_conv_direct(*this, problem);
  require<InternalError>(problem.block == 1, "engine gemm does not support blocked inputs");
  return make_conv_gemm(*this, problem);
}

}  // namespace alexnet
