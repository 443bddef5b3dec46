// planted_cuda BUG: makes one mistake in CUDA calls on purpose, to test that the simulator ends the
// process with an error message. "event", "event_in_a_graph", "barrier", "padding" and
// "pinned_memory" have no mistake and pass.
#include <cuda_runtime.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr int kCount = 64;
constexpr size_t kBytes = kCount * sizeof(float);

// Allocates memory on a device, kCount floats by default.
float* allocate(int device, size_t bytes = kBytes) {
  void* data = nullptr;
  cudaSetDevice(device);
  cudaMalloc(&data, bytes);
  return static_cast<float*>(data);
}

cudaStream_t make_stream(int device) {
  cudaStream_t stream = nullptr;
  cudaSetDevice(device);
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  return stream;
}

cudaEvent_t make_event(int device) {
  cudaEvent_t event = nullptr;
  cudaSetDevice(device);
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  return event;
}

void give_back(std::vector<float*> memory, std::vector<cudaStream_t> streams,
               std::vector<cudaEvent_t> events = {}) {
  for (const cudaEvent_t event : events) cudaEventDestroy(event);
  for (const cudaStream_t stream : streams) cudaStreamDestroy(stream);
  for (float* data : memory) cudaFree(data);
}

template <class... P, class... A>
void launch(void (*kernel)(P...), int threads, cudaStream_t stream, A... arguments) {
  void* pointers[] = {&arguments...};
  cudaLaunchKernel(kernel, dim3(1), dim3(unsigned(threads)), pointers, threads * sizeof(float),
                   stream);
}

__global__ void write_index(float* to) { to[threadIdx.x] = float(threadIdx.x); }

void out_of_bounds() {
  float* data = allocate(0);
  const cudaStream_t stream = make_stream(0);
  launch(write_index, kCount + 1, stream, data);
  cudaStreamSynchronize(stream);
  cudaFree(data);
}

void use_after_free() {
  float* data = allocate(0);
  const cudaStream_t stream = make_stream(0);
  cudaFree(data);
  launch(write_index, kCount, stream, data);
}

// The padding between the members of an argument may contain an old pointer.
struct Padded {
  float* to;
  bool doubled;
};
__global__ void write_padded(Padded p) {
  p.to[threadIdx.x] = float(threadIdx.x) * (p.doubled ? 2.0f : 1.0f);
}

void padding() {
  float *data = allocate(0), *old = allocate(0);
  const cudaStream_t stream = make_stream(0);
  alignas(Padded) unsigned char bytes[sizeof(Padded)];
  std::memcpy(bytes, &data, sizeof(data));
  std::memcpy(bytes + sizeof(data), &old, sizeof(old));
  bytes[sizeof(data)] = true;
  cudaFree(old);
  void* arguments[] = {bytes};
  cudaLaunchKernel(write_padded, dim3(1), dim3(kCount), arguments, 0, stream);
  cudaStreamSynchronize(stream);
  give_back({data}, {stream});
}

// The memory is freed before a graph that writes to it is launched.
void use_after_free_in_a_graph() {
  float* data = allocate(0);
  const cudaStream_t stream = make_stream(0);
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  launch(write_index, kCount, stream, data);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiate(&exec, graph);
  cudaFree(data);
  cudaGraphLaunch(exec, stream);
}

void wrong_device() {
  float* data = allocate(0);
  launch(write_index, kCount, make_stream(1), data);
}

// A copy to another device, whose stream reads the result without waiting.
void missing_event(bool waits) {
  float *here = allocate(0), *there = allocate(1), *sum = allocate(1);
  const cudaStream_t from = make_stream(0), to = make_stream(1);
  const cudaEvent_t copied = make_event(0);
  cudaMemsetAsync(here, 0, kBytes, from);
  cudaMemcpyPeerAsync(there, 1, here, 0, kBytes, from);
  cudaEventRecord(copied, from);
  if (waits) cudaStreamWaitEvent(to, copied);
  cudaMemcpyAsync(sum, there, kBytes, cudaMemcpyDeviceToDevice, to);
  cudaStreamSynchronize(to);
  cudaStreamSynchronize(from);
  give_back({here, there, sum}, {from, to}, {copied});
}

// The same inside a graph: the second stream joins the capture before the copy.
void missing_event_in_a_graph(bool waits) {
  float *here = allocate(0), *there = allocate(1), *sum = allocate(1);
  const cudaStream_t from = make_stream(0), to = make_stream(1);
  const cudaEvent_t forked = make_event(0), copied = make_event(0), joined = make_event(1);
  cudaStreamBeginCapture(from, cudaStreamCaptureModeThreadLocal);
  cudaEventRecord(forked, from);
  cudaStreamWaitEvent(to, forked);
  cudaMemcpyPeerAsync(there, 1, here, 0, kBytes, from);
  cudaEventRecord(copied, from);
  if (waits) cudaStreamWaitEvent(to, copied);
  cudaMemcpyAsync(sum, there, kBytes, cudaMemcpyDeviceToDevice, to);
  cudaEventRecord(joined, to);
  cudaStreamWaitEvent(from, joined);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  cudaStreamEndCapture(from, &graph);
  cudaGraphInstantiate(&exec, graph);
  cudaGraphLaunch(exec, from);
  cudaStreamSynchronize(from);
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  give_back({here, there, sum}, {from, to}, {forked, copied, joined});
}

// The host reads a result without waiting for it.
void missing_wait_of_the_host() {
  float* data = allocate(0);
  const cudaStream_t stream = make_stream(0);
  cudaMemsetAsync(data, 0, kBytes, stream);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // this does not order anything
  std::vector<float> host(kCount);
  cudaMemcpy(host.data(), data, kBytes, cudaMemcpyDeviceToHost);
}

// Pinned memory is written again: after waiting for its upload (`waits`), at once, or (`late`) when
// the upload has certainly finished but the host has not waited for it.
void pinned_memory(bool waits, bool late) {
  void* host = nullptr;
  cudaMallocHost(&host, kBytes);
  float* data = allocate(0);
  const cudaStream_t stream = make_stream(0);
  const cudaEvent_t sent = make_event(0);
  for (int step = 1; step <= 2; ++step) {
    std::memset(host, step, kBytes);
    cudaMemcpyAsync(data, host, kBytes, cudaMemcpyHostToDevice, stream);
    cudaEventRecord(sent, stream);
    if (late) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (waits) cudaEventSynchronize(sent);
  }
  cudaStreamSynchronize(stream);
  cudaFreeHost(host);
  give_back({data}, {stream}, {sent});
}

void pinned_memory_freed_too_early() {
  void* host = nullptr;
  cudaMallocHost(&host, kBytes);
  cudaMemcpyAsync(allocate(0), host, kBytes, cudaMemcpyHostToDevice, make_stream(0));
  cudaFreeHost(host);
}

void upload_that_no_stream_waits_for() {
  const std::vector<float> host(kCount);
  cudaMemcpy(allocate(0), host.data(), kBytes, cudaMemcpyHostToDevice);
}

// to[i] = from[i - 1]: correct by chance if the threads run in order.
template <bool waits>
__global__ void shift(float* to, const float* from) {
  float* const shared = static_cast<float*>(cuda_sim::shared_memory());
  const unsigned i = threadIdx.x;
  shared[i] = from[i];
  if constexpr (waits) __syncthreads();
  to[i] = i > 0 ? shared[i - 1] : 0.0f;
}

template <bool waits>
void missing_barrier() {
  float *from = allocate(0), *to = allocate(0);
  const cudaStream_t stream = make_stream(0);
  launch(write_index, kCount, stream, from);
  launch(shift<waits>, kCount, stream, to, static_cast<const float*>(from));
  std::vector<float> host(kCount);
  cudaStreamSynchronize(stream);
  cudaMemcpy(host.data(), to, kBytes, cudaMemcpyDeviceToHost);
  for (int i = 1; i < kCount; ++i)
    if (host[size_t(i)] != float(i - 1)) {
      std::fprintf(stderr, "element %d is wrong\n", i);
      std::exit(1);
    }
  give_back({from, to}, {stream});
}

// Half of the threads of a block return before the barrier.
__global__ void leave_half(float* to) {
  if (threadIdx.x >= kCount / 2) return;
  __syncthreads();
  to[threadIdx.x] = 1;
}
void left_out_barrier() {
  const cudaStream_t stream = make_stream(0);
  launch(leave_half, kCount, stream, allocate(0));
  cudaStreamSynchronize(stream);
}

void leak() { allocate(1); }

void freed_twice() {
  float* data = allocate(0);
  cudaFree(data);
  cudaFree(data);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, [](int) { std::_Exit(99); });  // CTest treats a signal as a failure
  const struct {
    const char* name;
    void (*make)();
  } bugs[] = {
      {"out_of_bounds", out_of_bounds},
      {"use_after_free", use_after_free},
      {"padding", padding},
      {"use_after_free_in_a_graph", use_after_free_in_a_graph},
      {"freed_twice", freed_twice},
      {"wrong_device", wrong_device},
      {"missing_event", [] { missing_event(false); }},
      {"event", [] { missing_event(true); }},
      {"missing_event_in_a_graph", [] { missing_event_in_a_graph(false); }},
      {"event_in_a_graph", [] { missing_event_in_a_graph(true); }},
      {"missing_wait_of_the_host", missing_wait_of_the_host},
      {"pinned_memory", [] { pinned_memory(true, false); }},
      {"pinned_memory_changed_too_early", [] { pinned_memory(false, false); }},
      {"pinned_memory_changed_without_a_wait", [] { pinned_memory(false, true); }},
      {"pinned_memory_freed_too_early", pinned_memory_freed_too_early},
      {"upload_that_no_stream_waits_for", upload_that_no_stream_waits_for},
      {"missing_barrier", missing_barrier<false>},
      {"barrier", missing_barrier<true>},
      {"left_out_barrier", left_out_barrier},
      {"leak", leak},
  };
  for (const auto& bug : bugs)
    if (argc == 2 && std::strcmp(argv[1], bug.name) == 0) {
      bug.make();
      std::printf("no error was detected\n");
      return 0;
    }
  return 2;
}
