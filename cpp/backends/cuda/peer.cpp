#include "backends/cuda/peer.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>

#include "backends/cuda/check.h"
#include "backends/cuda/cuda_event.h"

namespace alexnet {
namespace {

constexpr size_t kChunk = size_t(4) << 20, kSlots = 2;

bool enable(int from, int to) {
  int can = 0;
  ANX_CUDA(cudaDeviceCanAccessPeer(&can, from, to));
  if (!can) return false;
  const OnDevice here(from);
  const cudaError_t result = cudaDeviceEnablePeerAccess(to, 0);
  if (result == cudaErrorPeerAccessAlreadyEnabled) {
    cudaGetLastError();
    return true;
  }
  check_cuda(result, "cudaDeviceEnablePeerAccess");
  return true;
}

}  // namespace

bool peer_access(int from, int to) {
  static std::mutex mutex;
  static std::map<std::pair<int, int>, bool> known;
  static bool told = false;
  const std::lock_guard lock(mutex);
  const auto found = known.find({from, to});
  if (found != known.end()) return found->second;
  const bool access = enable(from, to);
  known[{from, to}] = access;
  if (!access && !told) {
    told = true;
    std::fprintf(stderr,
                 "alexnet-native: cuda:%d and cuda:%d have no peer access: copies between them go "
                 "through host memory\n",
                 from, to);
  }
  return access;
}

StagedCopy::StagedCopy(int from, int to) : from_(from), to_(to), slots_(kSlots) {
  for (Slot& slot : slots_) {
    ANX_CUDA(cudaMallocHost(&slot.host, kChunk));
    slot.filled = std::make_unique<CudaEvent>(from_);
    slot.emptied = std::make_unique<CudaEvent>(to_);
  }
  const OnDevice there(to_);
  ANX_CUDA(cudaStreamCreateWithFlags(&landing_, cudaStreamNonBlocking));
}

StagedCopy::~StagedCopy() {
  if (landing_) {
    cudaStreamSynchronize(landing_);
    cudaStreamDestroy(landing_);
  }
  for (Slot& slot : slots_) cudaFreeHost(slot.host);
}

void StagedCopy::copy(cudaStream_t stream, const void* src, void* dst, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kChunk) {
    const size_t size = std::min(kChunk, bytes - at);
    Slot& slot = slots_[next_++ % kSlots];
    // `stream` has already waited for the slots used by earlier copies; wait for those of this
    // copy.
    if (at >= kChunk * kSlots) ANX_CUDA(cudaStreamWaitEvent(stream, slot.emptied->last(), 0));
    {
      const OnDevice here(from_);
      ANX_CUDA(cudaMemcpyAsync(slot.host, static_cast<const char*>(src) + at, size,
                               cudaMemcpyDeviceToHost, stream));
      slot.filled->record(stream);
    }
    const OnDevice there(to_);
    ANX_CUDA(cudaStreamWaitEvent(landing_, slot.filled->last(), 0));
    ANX_CUDA(cudaMemcpyAsync(static_cast<char*>(dst) + at, slot.host, size, cudaMemcpyHostToDevice,
                             landing_));
    slot.emptied->record(landing_);
  }
  const size_t used = std::min(kSlots, (bytes + kChunk - 1) / kChunk);
  for (size_t i = 1; i <= used; ++i)
    ANX_CUDA(cudaStreamWaitEvent(stream, slots_[(next_ - i) % kSlots].emptied->last(), 0));
}

}  // namespace alexnet
