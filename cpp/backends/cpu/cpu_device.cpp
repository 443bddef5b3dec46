#include "backends/cpu/cpu_device.h"

#include <sys/mman.h>

#include <cstdlib>

#include "backends/cpu/conv_gemm.h"
#include "backends/cpu/cpu_stream.h"

namespace alexnet {

void* CpuDevice::allocate(size_t bytes) {
  constexpr size_t huge = size_t(2) << 20;
  const size_t alignment = bytes >= huge ? huge : 64;
  void* data = nullptr;
  if (posix_memalign(&data, alignment, bytes ? bytes : 1) != 0)
    fail<DeviceError>("{} has no {} MiB of memory left: take a smaller batch", to_string(id_),
                      bytes >> 20);
#if defined(MADV_HUGEPAGE)
  if (bytes >= huge) madvise(data, bytes, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses
#endif
  return data;
}

void CpuDevice::release(void* data) noexcept { std::free(data); }

std::unique_ptr<Stream> CpuDevice::make_stream() { return std::make_unique<CpuStream>(*this); }

std::unique_ptr<ConvEngine> CpuDevice::make_conv(const std::string& name,
                                                 const ConvProblem& problem) {
  require<ConfigError>(name == "auto" || name == "gemm",
                       "there is no convolution engine '{}' on {}: choose auto or gemm", name,
                       to_string(id_));
  return make_conv_gemm(*this, problem);
}

}  // namespace alexnet
