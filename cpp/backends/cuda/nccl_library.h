// NVIDIA's NCCL 2, opened on first use. The few functions that are called are declared here, so
// that NCCL's headers are not needed to build.
#pragma once

#include <cuda_runtime.h>

#include <string>

namespace alexnet {

using NcclComm = struct ncclComm*;

// Values of ncclResult_t, ncclDataType_t and ncclRedOp_t.
inline constexpr int kNcclSuccess = 0, kNcclFloat32 = 7, kNcclFloat64 = 8, kNcclSum = 0;

struct NcclLibrary {
  int (*ncclGetVersion)(int* version) = nullptr;
  const char* (*ncclGetErrorString)(int result) = nullptr;
  int (*ncclCommInitAll)(NcclComm* comms, int count, const int* devices) = nullptr;
  int (*ncclCommDestroy)(NcclComm comm) = nullptr;
  int (*ncclCommAbort)(NcclComm comm) = nullptr;
  int (*ncclGroupStart)() = nullptr;
  int (*ncclGroupEnd)() = nullptr;
  int (*ncclAllReduce)(const void* from, void* to, size_t count, int type, int op, NcclComm comm,
                       cudaStream_t stream) = nullptr;
  std::string version;  // "2.28.9"
};

// Returns null if it is not available; `why` is then the reason.
const NcclLibrary* find_nccl(std::string& why);
const NcclLibrary& nccl();  // throws UnavailableError

void check_nccl(int result, const char* call);  // throws DeviceError
#define ANX_NCCL(function, ...) \
  ::alexnet::check_nccl(::alexnet::nccl().function(__VA_ARGS__), #function)

}  // namespace alexnet
