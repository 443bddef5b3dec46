// Declarations shared by the parts of the simulator. A mistake of the program under test, which on
// a GPU would give wrong numbers or a much later error, ends the process with an error message.
#pragma once

#include <cuda_runtime.h>

#include <condition_variable>
#include <cstdarg>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sim_order.h"

#if defined(__SANITIZE_THREAD__)
#define CUDA_SIM_TSAN 1
#elif defined(__SANITIZE_ADDRESS__)
#define CUDA_SIM_ASAN 1
#endif

namespace cuda_sim {

[[noreturn]] void die(const char* format, ...) __attribute__((format(printf, 1, 2)));
cudaError_t error(cudaError_t result);  // stores it for cudaGetLastError
int current_device();
int device_count();
int environment(const char* name, int otherwise);

// The order in which the threads of a block run: ALEXNET_SIM_ORDER=forward, reversed or shuffled.
void put_in_order(std::vector<unsigned>& threads, uint64_t seed);

// ---- memory and its owners
constexpr int kHost = -1;
constexpr size_t kTotal = size_t(8) << 30;  // memory of a device in bytes
// The device that owns this memory; kHost for any other memory.
int owner(const void* data);
// Dies unless [data, data + bytes) is inside one allocation of `device`.
void check_range(const char* what, int device, const void* data, size_t bytes);
// Dies if `value` points into memory of another device, or into memory that has been freed.
void check_argument(const char* what, int device, uintptr_t value);
// Whether this is pinned memory that no device has written to, so that only the host writes there.
bool is_pinned_by_host(const void* data);
void device_writes(const void* host);

// An upload from such memory, which must not change until the host knows that the upload is done.
class PinnedRead {
 public:
  PinnedRead(const void* at, size_t bytes);
  static std::shared_ptr<PinnedRead> begin(const void* at, size_t bytes);
  void run(const Party& party);              // the upload reads, on this stream
  static void end_known(const Clock& host);  // ends the uploads that the host knows to be done
  static void check_free(const void* at, size_t bytes);

 private:
  void check() const;
  const void* at_;
  size_t bytes_;
  uint64_t sum_;
  Moment done_;
};

// ---- work
struct KernelWork {
  void* kernel;
  const KernelType* type;
  void* arguments;  // owned
  dim3 grid, block;
  size_t shared;
  int device;

  KernelWork(void* kernel, const KernelType& type, dim3 grid, dim3 block, void** arguments,
             size_t shared, int device);
  ~KernelWork();
  KernelWork(const KernelWork&) = delete;
  void check() const;  // dies if an operand is not memory of the device
  Accesses touches() const;
  void run() const;  // all blocks, on this thread
};

// A task on a stream, and the memory it accesses.
struct Task {
  std::function<void()> run;
  Accesses touches = {};
  Clock sent = {};  // clock of the caller when it was enqueued
};

}  // namespace cuda_sim

// A stream is a thread that runs tasks in order.
struct SimStream {
  explicit SimStream(int device);
  ~SimStream();
  void add(cuda_sim::Task task);
  void drain();

  const int device;
  cuda_sim::Party party;
  // During a capture: the graph, and the nodes that the next node depends on.
  SimGraph* capture = nullptr;
  bool capture_origin = false;
  std::vector<SimNode*> last;

 private:
  void work();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<cuda_sim::Task> tasks_;
  bool running_ = false, stopping_ = false;
  std::thread thread_;
};

// The completion of an event. Streams that wait for it keep it alive after the event is destroyed.
class SimPoint {
 public:
  void complete(uint64_t ticket, const cuda_sim::Clock& clock);
  cuda_sim::Clock wait_for(uint64_t ticket);  // returns the clock of the recording stream
  bool is_done(uint64_t ticket);
  double seconds();  // time of the last completion

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t completed_ = 0;
  double seconds_ = 0;
  cuda_sim::Clock clock_;
};

struct SimEvent {
  explicit SimEvent(int device) : device(device) {}

  const int device;
  uint64_t recorded = 0;  // only accessed by the enqueuing thread
  const std::shared_ptr<SimPoint> point = std::make_shared<SimPoint>();
  // If it was last recorded in a capture: the graph, whether that capture is still active, and the
  // nodes before the event.
  SimGraph* capture = nullptr;
  std::shared_ptr<bool> capturing;
  std::vector<SimNode*> nodes;
};

struct SimNode {
  std::shared_ptr<cuda_sim::KernelWork> kernel;  // null: `task`
  cuda_sim::Task task;
  std::vector<SimNode*> after;
  size_t index = 0;  // in its graph
};

struct SimGraph {
  SimGraph();
  ~SimGraph();
  std::vector<std::unique_ptr<SimNode>> nodes;
  std::vector<SimStream*> streams;  // the streams that joined the capture
  const std::shared_ptr<bool> capturing = std::make_shared<bool>(true);
};

namespace cuda_sim {
// Whether ALEXNET_SIM_GRAPH_FAILS is `where`: "product" (cuBLAS cannot be captured), "end" (of the
// capture), "instantiate", "update" (of a node's arguments), "launch".
bool graphs_fail_at(const char* where);
// Enqueues work, or adds a node if the stream is being captured.
void enqueue(SimStream& stream, Task task);
void enqueue(SimStream& stream, std::shared_ptr<KernelWork> work);
// Counts live streams, events, graphs and allocations, which are reported when the process ends.
void count(const char* kind, int change);
}  // namespace cuda_sim
