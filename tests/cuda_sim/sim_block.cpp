// Runs the blocks of a kernel one after the other. The threads of a block also run one after the
// other on one fiber, until one of them reaches a barrier: it then waits on its fiber, and the
// threads that have not started run on another. So kernels without barriers cost little more than a
// loop. Under ThreadSanitizer every thread has its own fiber, so that it can distinguish them.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "sim_fiber.h"

#if defined(CUDA_SIM_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

constinit thread_local uint3 threadIdx, blockIdx;
constinit thread_local dim3 blockDim, gridDim;

namespace cuda_sim {
namespace {

#if defined(CUDA_SIM_TSAN)
constexpr bool kFiberEach = true;
#else
constexpr bool kFiberEach = false;
#endif

// receive() orders everything before earlier publish() calls on the same address before its caller.
// The threads of a block are ordered after the work before the block, and at a barrier after what
// all threads did before it; between barriers they are unordered, so that ThreadSanitizer reports a
// missing barrier as a race.
void publish([[maybe_unused]] void* what) {
#if defined(CUDA_SIM_TSAN)
  __tsan_release(what);
#endif
}
void receive([[maybe_unused]] void* what) {
#if defined(CUDA_SIM_TSAN)
  __tsan_acquire(what);
#endif
}

class Block {
 public:
  void run(const KernelWork& work, uint3 index) {
    work_ = &work;
    blockIdx = index;
    blockDim = work.block;
    gridDim = work.grid;
    shared_.reset(work.shared ? new char[work.shared] : nullptr);    // exact size, for ASan
    if (work.shared) std::memset(shared_.get(), 0xff, work.shared);  // NaN
    publish(&begin_);
    run_hidden();
    receive(&end_);
  }

  void barrier() {
    const Hidden hidden;
    const uint3 own = threadIdx;
    // Two alternate, since threads may reach the next barrier before all have left this one.
    char* const meeting = &meetings_[phase_ % 2];
    waiting_.push_back(unsigned(current_));
    publish(meeting);
    Fiber::pause();
    receive(meeting);
    threadIdx = own;
  }

  void* shared() {
    if (!shared_) die("a kernel uses shared memory but was launched without any");
    return shared_.get();
  }

 private:
  void run_hidden() {
    const Hidden hidden;
    const dim3& n = work_->block;
    order_.resize(size_t(n.x) * n.y * n.z);
    for (unsigned i = 0; i < order_.size(); ++i) order_[i] = i;
    const uint64_t seed = (uint64_t(blockIdx.y) << 32) + blockIdx.x;
    put_in_order(order_, seed);
    next_ = finished_ = phase_ = 0;
    waiting_.clear();
    for (size_t i = 0; next_ < order_.size(); ++i) resume(i);  // until all wait or have finished
    while (!waiting_.empty()) {
      if (finished_ > 0)
        die("%zu threads of a block wait at a barrier that %zu threads skipped", waiting_.size(),
            finished_);
      ++phase_;
      std::vector<unsigned> arrived = std::move(waiting_);
      waiting_.clear();
      put_in_order(arrived, seed + phase_);
      for (const unsigned fiber : arrived) resume(fiber);
    }
  }

  void resume(size_t fiber) {
    while (fibers_.size() <= fiber) fibers_.push_back(std::make_unique<Fiber>(&Block::loop, this));
    current_ = fiber;
    fibers_[fiber]->resume();
  }

  // Runs on every fiber: runs threads that have not started, then pauses until the next block.
  static void loop(void* self) {
    for (Block& b = *static_cast<Block*>(self);;) {
      receive(&b.begin_);
      while (b.next_ < b.order_.size()) {
        const unsigned i = b.order_[b.next_++];
        const dim3& n = b.work_->block;
        threadIdx = {i % n.x, i / n.x % n.y, i / n.x / n.y};
        show_to_sanitizer();
        b.work_->type->call(b.work_->kernel, b.work_->arguments);
        hide_from_sanitizer();
        ++b.finished_;
        if (kFiberEach) break;
      }
      publish(&b.end_);
      Fiber::pause();
    }
  }

  const KernelWork* work_ = nullptr;
  std::unique_ptr<char[]> shared_;
  std::vector<unsigned> order_, waiting_;  // threads; fibers at the barrier
  size_t next_ = 0, finished_ = 0, current_ = 0, phase_ = 0;
  char begin_ = 0, end_ = 0, meetings_[2] = {};  // addresses for publish() and receive()
  std::vector<std::unique_ptr<Fiber>> fibers_;
};

thread_local Block* running_block = nullptr;

}  // namespace

void put_in_order(std::vector<unsigned>& list, uint64_t seed) {
  static const char* chosen = std::getenv("ALEXNET_SIM_ORDER");
  static const std::string order = chosen && *chosen ? chosen : "forward";
  if (order == "reversed") {
    std::sort(list.rbegin(), list.rend());
  } else if (order == "shuffled") {
    uint64_t state = seed * 2654435769u + 12345;
    for (size_t i = list.size(); i > 1; --i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      std::swap(list[i - 1], list[(state >> 33) % i]);
    }
  } else if (order == "forward") {
    std::sort(list.begin(), list.end());
  } else {
    die("ALEXNET_SIM_ORDER=%s: choose forward, reversed or shuffled", order.c_str());
  }
}

void barrier() { running_block->barrier(); }
void* shared_memory() { return running_block->shared(); }

KernelWork::KernelWork(void* kernel, const KernelType& type, dim3 grid, dim3 block,
                       void** arguments, size_t shared, int device)
    : kernel(kernel),
      type(&type),
      arguments(type.copy(arguments)),
      grid(grid),
      block(block),
      shared(shared),
      device(device) {}

KernelWork::~KernelWork() { type->destroy(arguments); }

namespace {

// Any eight bytes may be a pointer; other values are unlikely to be inside an allocation.
template <class F>
void each_word(const void* argument, size_t bytes, F&& f) {
  for (size_t at = 0; at + 8 <= bytes; at += 8) {
    const void* value;
    std::memcpy(&value, static_cast<const char*>(argument) + at, 8);
    f(value);
  }
}

struct Checked final : OperandVisitor {
  int device = 0;
  void operand(const void* at, size_t bytes, bool, const char* who) override {
    if (bytes > 0) check_range(who, device, at, bytes);
  }
  void opaque(const void* argument, size_t bytes) override {
    each_word(argument, bytes, [&](const void* value) {
      check_argument("a kernel", device, reinterpret_cast<uintptr_t>(value));
    });
  }
};

struct Touched final : OperandVisitor {
  Accesses found;
  void operand(const void* at, size_t bytes, bool writes, const char* who) override {
    found.push_back({at, bytes, writes, who});
  }
  // The memory behind its pointers may be read or written: the first byte is counted as read.
  void opaque(const void* argument, size_t bytes) override {
    each_word(argument, bytes, [&](const void* value) {
      if (owner(value) >= 0) found.push_back({value, 1, false, "a kernel"});
    });
  }
};

}  // namespace

void KernelWork::check() const {
  Checked visitor;
  visitor.device = device;
  type->operands(arguments, visitor);
}

Accesses KernelWork::touches() const {
  Touched visitor;
  type->operands(arguments, visitor);
  return std::move(visitor.found);
}

void KernelWork::run() const {
  thread_local Block block_of_this_thread;
  running_block = &block_of_this_thread;
  for (unsigned y = 0; y < grid.y; ++y)
    for (unsigned x = 0; x < grid.x; ++x) running_block->run(*this, {x, y, 0});
}

}  // namespace cuda_sim
