// Registers the CPU back end and chooses its instruction set.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "backends/cpu/device/cpu_device.h"
#include "backends/cpu/gemm/gemm.h"
#include "core/backend.h"
#include "ops/fingerprint.h"

namespace alexnet {
namespace {

struct Chosen {
  const KernelTable& table;
  const Bf16Kernels* bf16 = nullptr;
};

Chosen choose_kernels() {
  const char* forced = std::getenv("ALEXNET_CPU");
  const std::string_view wanted = forced ? forced : "";
  require<ConfigError>(wanted.empty() || wanted == "generic" || wanted == "avx2" ||
                           wanted == "avx512" || wanted == "avx512_bf16",
                       "ALEXNET_CPU={} is not valid: choose generic, avx2, avx512 or avx512_bf16",
                       wanted);
#if defined(ANX_X86_KERNELS)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  require<UnavailableError>((wanted != "avx2" || avx2) && (wanted != "avx512" || avx512) &&
                                (wanted != "avx512_bf16" || bf16),
                            "ALEXNET_CPU={}: this processor does not support these instructions",
                            wanted);
  if (bf16 && (wanted.empty() || wanted == "avx512_bf16"))
    return {kernels_avx512, &bf16_kernels_avx512};
  if (avx512 && (wanted.empty() || wanted == "avx512")) return {kernels_avx512};
  if (avx2 && wanted != "generic") return {kernels_avx2};
#else
  require<UnavailableError>(wanted.empty() || wanted == "generic",
                            "ALEXNET_CPU={}: this build only has generic kernels", wanted);
#endif
  return {kernels_generic};
}

const Chosen& chosen() {
  static const Chosen chosen = choose_kernels();
  return chosen;
}

std::vector<DeviceInfo> list_devices() {
  return {{"cpu:0",
           format("{} threads, {} kernels, {}, bf16 {}", available_threads(), kernels().name,
                  blas_name(), bf16_kernels() ? "by its instructions" : "by conversion to fp32"),
           kernels().name}};
}

std::unique_ptr<Device> make_device(DeviceId id, int threads) {
  require<ConfigError>(id.index < 64, "{}: CPU devices are cpu:0 to cpu:63", to_string(id));
  return std::make_unique<CpuDevice>(id, threads);
}

const BackendApi api = {
    .kind = DeviceKind::cpu,
    .name = "cpu",
    .ops = kOpsFingerprint,
    .devices = &list_devices,
    .make_device = &make_device,
    .missing = [] { return std::string(); },
    .write = [](const void* host,
                const AnyView& dst) { std::memcpy(dst.data, host, size_t(dst.bytes())); },
    .run_here =
        [](int index, const void* op, Grid grid) {
          thread_local ThreadPool alone(1);
          kernels().launch[index](op, grid, alone);
        },
};
[[maybe_unused]] const bool registered = (register_backend(&api), true);

}  // namespace

const KernelTable& kernels() { return chosen().table; }
const Bf16Kernels* bf16_kernels() { return chosen().bf16; }

}  // namespace alexnet
