// A fake NCCL for the simulated GPUs, with the few functions that the CUDA back end calls. Its
// all-reduce enqueues copies and a kernel on the streams of all ranks, so that the simulator can
// check their order. It adds from the last rank to the first.
//
// As in NCCL, a rank waits in the call for the other ranks, and an abort releases it. Ranks whose
// calls differ, which NCCL does not detect, end the process with an error message.
//
// ALEXNET_SIM_NCCL_VERSION: the result of ncclGetVersion. ALEXNET_SIM_NCCL_FAIL=ncclAllReduce:3:
// the third call of that function fails.
#include <cuda_runtime.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#define FAKE_NCCL extern "C" __attribute__((visibility("default")))

struct ncclComm;

namespace {

enum Result {
  kSuccess = 0,
  kCudaError = 1,
  kSystemError = 2,
  kInternalError = 3,
  kInvalidArgument = 4,
  kInvalidUsage = 5
};

[[noreturn]] void die(const char* message) {
  std::fprintf(stderr, "fake NCCL: %s\n", message);
  std::abort();
}

bool must_fail(const char* function) {
  static std::atomic<int> calls = 0;
  const char* given = std::getenv("ALEXNET_SIM_NCCL_FAIL");
  const char* colon = given ? std::strchr(given, ':') : nullptr;
  if (!colon || std::string(given, colon) != function) return false;
  return ++calls == std::atoi(colon + 1);
}

struct Call {
  const void* from;
  void* to;
  size_t count;
  int type;
  ncclComm* comm;
  cudaStream_t stream;

  size_t element() const { return type == 7 ? sizeof(float) : sizeof(double); }
  size_t bytes() const { return count * element(); }
  bool is_like(const Call& other) const { return count == other.count && type == other.type; }
};

struct Rank {
  int device = 0;
  void* parts = nullptr;  // of all ranks, one after the other
  size_t bytes = 0;
  cudaEvent_t sent = nullptr, done = nullptr;
  std::vector<Call> calls;
};

struct Clique {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Rank> ranks;
  size_t here = 0;
  unsigned meetings = 0;
  bool aborted = false;

  bool meet() {
    std::unique_lock lock(mutex);
    const unsigned own = meetings;
    if (++here == ranks.size()) {
      here = 0;
      ++meetings;
      changed.notify_all();
    }
    changed.wait(lock, [&] { return aborted || meetings != own; });
    return !aborted;
  }
};

// The operands of a kernel, in the form that the simulator reads.
template <class T>
struct Range {
  struct Count {
    int64_t n;
    int64_t count() const { return n; }
  };
  T* data;
  Count shape;
};

template <class T>
struct Sum {
  static constexpr const char* name = "NCCL's sum";
  Range<const T> parts;
  Range<T> out;
  int ranks;
  int64_t stride;

  template <class F>
  void visit(F&& f) const {
    f(parts), f(out);
  }
};

template <class T>
__global__ void add(Sum<T> sum) {
  for (int64_t i = threadIdx.x; i < sum.out.shape.n; i += blockDim.x) {
    T total = sum.parts.data[(sum.ranks - 1) * sum.stride + i];
    for (int r = sum.ranks - 2; r >= 0; --r) total += sum.parts.data[r * sum.stride + i];
    sum.out.data[i] = total;
  }
}

template <class T>
void launch_add(const Call& call, const void* parts, size_t stride_bytes, int ranks) {
  const int64_t count = int64_t(call.count), stride = int64_t(stride_bytes / sizeof(T));
  Sum<T> sum{{static_cast<const T*>(parts), {(ranks - 1) * stride + count}},
             {static_cast<T*>(call.to), {count}},
             ranks,
             stride};
  void* arguments[] = {&sum};
  cudaLaunchKernel(&add<T>, dim3(1), dim3(32), arguments, 0, call.stream);
}

// The group of this thread. An error in a group is returned by ncclGroupEnd, and nothing is
// enqueued.
thread_local int depth = 0, group_error = kSuccess;
thread_local std::vector<Call> group;

}  // namespace

struct ncclComm {
  std::shared_ptr<Clique> clique;
  size_t rank;
};

namespace {

int reduce(const std::vector<Call>& calls) {
  ncclComm& comm = *calls[0].comm;
  for (const Call& call : calls)
    if (call.comm != &comm || call.stream != calls[0].stream) return kInvalidUsage;
  Clique& clique = *comm.clique;
  Rank& own = clique.ranks[comm.rank];
  const cudaStream_t stream = calls[0].stream;
  std::vector<size_t> places;
  size_t total = 0;
  for (const Call& call : calls) {
    places.push_back(total);
    total += (call.bytes() + 15) / 16 * 16;
  }
  if (own.bytes < total * clique.ranks.size()) {
    cudaStreamSynchronize(stream);
    if (own.parts) cudaFree(own.parts);
    own.bytes = total * clique.ranks.size();
    cudaMalloc(&own.parts, own.bytes);
  }
  own.calls = calls;
  if (!clique.meet()) return kInternalError;

  for (Rank& to : clique.ranks) {
    if (to.calls.size() != calls.size()) die("the ranks reduce different numbers of values");
    for (size_t i = 0; i < calls.size(); ++i) {
      if (!to.calls[i].is_like(calls[i]))
        die("the ranks reduce values of different sizes or types");
      char* const place = static_cast<char*>(to.parts) + comm.rank * total + places[i];
      cudaStreamWaitEvent(stream, to.done);  // the previous values have been added
      cudaMemcpyPeerAsync(place, to.device, calls[i].from, own.device, calls[i].bytes(), stream);
    }
  }
  cudaEventRecord(own.sent, stream);
  if (!clique.meet()) return kInternalError;

  for (Rank& other : clique.ranks) cudaStreamWaitEvent(stream, other.sent);
  for (size_t i = 0; i < calls.size(); ++i) {
    const void* parts = static_cast<const char*>(own.parts) + places[i];
    const int ranks = int(clique.ranks.size());
    if (calls[i].type == 7)
      launch_add<float>(calls[i], parts, total, ranks);
    else
      launch_add<double>(calls[i], parts, total, ranks);
  }
  cudaEventRecord(own.done, stream);
  return clique.meet() ? kSuccess : kInternalError;
}

// Calls work() with the rank's device as the current device.
template <class F>
int on_device(int device, F&& work) {
  int before = 0;
  cudaGetDevice(&before);
  if (cudaSetDevice(device) != cudaSuccess) return kCudaError;
  const int result = work();
  cudaSetDevice(before);
  return result;
}

}  // namespace

FAKE_NCCL int ncclGetVersion(int* version) {
  const char* given = std::getenv("ALEXNET_SIM_NCCL_VERSION");
  *version = given ? std::atoi(given) : 22809;
  return kSuccess;
}

FAKE_NCCL const char* ncclGetErrorString(int result) {
  const char* const words[] = {"no error",       "a CUDA call failed",       "a system call failed",
                               "internal error", "an argument is not valid", "invalid usage"};
  return words[result];
}

FAKE_NCCL int ncclCommInitAll(ncclComm** comms, int count, const int* devices) {
  if (must_fail("ncclCommInitAll")) return kSystemError;
  if (std::set<int>(devices, devices + count).size() != size_t(count)) return kInvalidUsage;
  const auto clique = std::make_shared<Clique>();
  clique->ranks.resize(size_t(count));
  for (int r = 0; r < count; ++r) {
    Rank& rank = clique->ranks[size_t(r)];
    rank.device = devices[r];
    const int result = on_device(rank.device, [&] {
      cudaEventCreateWithFlags(&rank.sent, cudaEventDisableTiming);
      cudaEventCreateWithFlags(&rank.done, cudaEventDisableTiming);
      return int(kSuccess);
    });
    if (result != kSuccess) return result;
    comms[r] = new ncclComm{clique, size_t(r)};
  }
  return kSuccess;
}

FAKE_NCCL int ncclCommDestroy(ncclComm* comm) {
  if (!comm) return kInvalidArgument;
  Rank& own = comm->clique->ranks[comm->rank];
  if (own.parts) cudaFree(own.parts);
  cudaEventDestroy(own.sent);
  cudaEventDestroy(own.done);
  delete comm;
  return kSuccess;
}

// The memory of the rank is kept, since waiting work may still use it.
FAKE_NCCL int ncclCommAbort(ncclComm* comm) {
  if (!comm) return kInvalidArgument;
  {
    const std::lock_guard lock(comm->clique->mutex);
    comm->clique->aborted = true;
  }
  comm->clique->changed.notify_all();
  return kSuccess;
}

FAKE_NCCL int ncclGroupStart() {
  ++depth;
  return kSuccess;
}

FAKE_NCCL int ncclGroupEnd() {
  if (depth == 0) return kInvalidUsage;
  if (--depth > 0) return kSuccess;
  const std::vector<Call> calls = std::exchange(group, {});
  if (const int error = std::exchange(group_error, kSuccess)) return error;
  if (calls.empty()) return kSuccess;
  return on_device(calls[0].comm->clique->ranks[calls[0].comm->rank].device,
                   [&] { return reduce(calls); });
}

FAKE_NCCL int ncclAllReduce(const void* from, void* to, size_t count, int type, int op,
                            ncclComm* comm, cudaStream_t stream) {
  int error = kSuccess;
  if (!from || !to || !comm || (type != 7 && type != 8) || op != 0) error = kInvalidArgument;
  if (must_fail("ncclAllReduce")) error = kSystemError;
  if (error != kSuccess) return group_error = depth > 0 ? error : kSuccess, error;
  ncclGroupStart();
  group.push_back({from, to, count, type, comm, stream});
  return ncclGroupEnd();
}
