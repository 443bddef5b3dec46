// Devices, errors, and counts of live objects.
#include <cstdio>
#include <cstdlib>
#include <map>

#include "sim.h"

namespace cuda_sim {
namespace {

std::mutex mutex;
thread_local cudaError_t last_error = cudaSuccess;
thread_local int device_now = 0;
bool peers[8][8] = {};

}  // namespace

int environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::atoi(text) : otherwise;
}

void die(const char* format, ...) {
  std::fputs("cuda simulator: ", stderr);
  va_list list;
  va_start(list, format);
  std::vfprintf(stderr, format, list);
  va_end(list);
  std::fputc('\n', stderr);
  std::abort();
}

cudaError_t error(cudaError_t result) {
  if (result != cudaSuccess) last_error = result;
  return result;
}

int current_device() { return device_now; }
int device_count() {
  static const int count = environment("ALEXNET_SIM_DEVICES", 2);
  return count;
}

// Number of live objects by kind. ALEXNET_SIM_LEAKS=1: any at the end of the process is a failure.
void count(const char* kind, int change) {
  struct Living {
    std::mutex mutex;
    std::map<std::string, int> number;
    ~Living() {
      if (environment("ALEXNET_SIM_LEAKS", 0) == 0) return;
      bool any = false;
      for (const auto& [name, left] : number) {
        if (left == 0) continue;
        std::fprintf(stderr, "cuda simulator: %d %s(s) were never released\n", left, name.c_str());
        any = true;
      }
      if (any) std::_Exit(97);
    }
  };
  static Living living;
  const std::lock_guard lock(living.mutex);
  living.number[kind] += change;
}

}  // namespace cuda_sim

using namespace cuda_sim;

const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    default:
      return "an error of the simulator";
  }
}
const char* cudaGetErrorString(cudaError_t e) {
  return e == cudaErrorMemoryAllocation ? "out of memory" : cudaGetErrorName(e);
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
  if (device_count() < 0) return error(cudaErrorInsufficientDriver);  // *count is not set
  if (device_count() == 0) return error(cudaErrorNoDevice);
  *count = device_count();
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = device_now;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= device_count()) return error(cudaErrorInvalidDevice);
  device_now = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device < 0 || device >= device_count()) return error(cudaErrorInvalidDevice);
  *p = {};
  std::snprintf(p->name, sizeof(p->name), "simulated GPU (tests only, on the CPU)");
  p->totalGlobalMem = kTotal;
  p->major = 9;
  p->multiProcessorCount = 2;
  return cudaSuccess;
}
// Few and small blocks, since a thread costs more here than on a GPU.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMaxThreadsPerBlock    ? environment("ALEXNET_SIM_THREADS", 32)
           : attribute == cudaDevAttrMultiProcessorCount ? 1
                                                         : 9;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }
cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  *can = device != peer && environment("ALEXNET_SIM_PEER", 1) != 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  const std::lock_guard lock(mutex);
  if (peer == device_now || peer >= device_count()) return error(cudaErrorInvalidDevice);
  if (std::exchange(peers[device_now][peer], true)) return error(cudaErrorPeerAccessAlreadyEnabled);
  return cudaSuccess;
}
