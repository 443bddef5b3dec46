// The only function that the library exports, which returns the table of this back end
// (core/module.h).
#include "core/module.h"

#include <cublas_v2.h>

#include "backends/cuda/check.h"
#include "backends/cuda/cuda_device.h"
#include "backends/cuda/module_host.h"
#include "backends/cuda/nccl_communicator.h"
#include "backends/cuda/writes.h"
#include "ops/fingerprint.h"

namespace alexnet {
namespace {

// Returns 0 if the driver call fails; `error` is then its error.
int device_count(cudaError_t& error) {
  int count = 0;
  error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

std::string missing() {
  cudaError_t error = cudaSuccess;
  if (device_count(error) > 0) return "";
  if (error == cudaErrorInsufficientDriver)
    return "this machine has no NVIDIA driver, or one that is too old for CUDA 13: install driver "
           "580 or newer, or use the devices cpu:0, cpu:1, ...";
  if (error == cudaSuccess || error == cudaErrorNoDevice)
    return "the NVIDIA driver found no GPU (CUDA_VISIBLE_DEVICES may hide it): use the devices "
           "cpu:0, cpu:1, ...";
  return format("the NVIDIA driver reported an error: {} ({})", cudaGetErrorString(error),
                cudaGetErrorName(error));
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> found;
  cudaError_t error = cudaSuccess;
  const int count = device_count(error);
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p = {};
    ANX_CUDA(cudaGetDeviceProperties(&p, i));
    const std::string architecture = format("sm_{}{}", p.major, p.minor);
    found.push_back({to_string(DeviceId{DeviceKind::cuda, int16_t(i)}),
                     format("{}, {} MiB, {}", p.name, p.totalGlobalMem >> 20, architecture),
                     architecture});
  }
  return found;
}

std::unique_ptr<Device> make_device(DeviceId id, int) {
  cudaError_t error = cudaSuccess;
  const int count = device_count(error);
  require<UnavailableError>(id.index < count, "there is no {}: this machine has cuda:0{}",
                            to_string(id), count == 1 ? "" : format(" to cuda:{}", count - 1));
  return std::make_unique<CudaDevice>(id);
}

void write(const void* host, const AnyView& dst) { writes_to(dst.device.index)->write(host, dst); }

const BackendApi api = {.kind = DeviceKind::cuda,
                        .name = "cuda",
                        .ops = kOpsFingerprint,
                        .devices = &list_devices,
                        .make_device = &make_device,
                        .missing = &missing,
                        .write = &write,
                        .communicator = &kNcclCommunicator};

ModuleHost opened_by = {};
const BackendModule module = {ANX_INTERFACE, kOpsFingerprint, &api};

}  // namespace

const ModuleHost& module_host() { return opened_by; }

}  // namespace alexnet

extern "C" __attribute__((visibility("default"))) const alexnet::BackendModule*
alexnet_backend_module(const alexnet::ModuleHost& host) {
  alexnet::opened_by = host;
  return &alexnet::module;
}
