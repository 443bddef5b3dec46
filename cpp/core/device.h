// Devices and streams: what a back end implements (backends/*), what everything above uses.
//
// A stream runs tasks in order, asynchronously to the caller. Nothing is transferred or
// synchronised implicitly; the functions that block say so.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/conv.h"
#include "core/profile.h"
#include "core/view.h"

namespace alexnet {

// C = alpha * op(A) * op(B) + beta * C, row-major. Pointers live on the stream's device. A and B
// are of `dtype`, C of its compute type (core/dtype.h).
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  int64_t m = 0, n = 0, k = 0;
  const void *a = nullptr, *b = nullptr;
  void* c = nullptr;
  int64_t lda = 0, ldb = 0, ldc = 0;
  double alpha = 1, beta = 0;
  DType dtype = DType::f32;
};

// A point in a stream's work that another stream can wait for. Reusable: record, wait, record...
class Event {
 public:
  virtual ~Event() = default;
  // For a stream of another back end: blocks its caller until what is recorded by now is done.
  virtual std::function<void()> host_wait() = 0;
};

// Work on some streams that is enqueued many times alike, as a training step is. A device may
// record it and play it again with less effort of the host. Usage, until end() is true:
//   begin(), enqueue everything, end()
// Arguments of ops may differ from time to time; the sequence of calls must not.
class StepGraph {
 public:
  virtual ~StepGraph() = default;
  virtual void begin() = 0;
  virtual bool end() = 0;              // false: nothing has run, enqueue it once more
  virtual void cancel() noexcept = 0;  // instead of end(), after an exception
  // Instead of cancel(): true where nothing has run, and this step and all later ones are to be
  // enqueued without a recording. `why` goes to the user.
  virtual bool give_up(const std::string& why) noexcept = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual DeviceId device() const = 0;

  // Runs op `index` of AllOps; `op` points to its struct, which is copied. Use run() of ops/run.h.
  virtual void launch(int index, const void* op, size_t size, Grid grid) = 0;
  virtual void gemm(const Gemm& gemm) = 0;

  virtual void fill_zero(AnyView dst) = 0;
  // Same shape count and dtype. `dst` may live on another device: this stream must be the source's.
  virtual void copy(AnyView src, AnyView dst) = 0;
  // Host memory must stay valid until synchronize().
  virtual void upload(const void* src, AnyView dst) = 0;
  virtual void download(AnyView src, void* dst) = 0;

  virtual std::unique_ptr<Event> make_event() = 0;
  virtual void record(Event& event) = 0;
  virtual void wait(Event& event) = 0;  // the stream waits, not the caller
  // Null where nothing is gained. `streams`: all that the work is enqueued on, this one the first.
  virtual std::unique_ptr<StepGraph> make_step_graph(const std::vector<Stream*>& streams) {
    (void)streams;
    return nullptr;
  }

  // Names what is enqueued from now on, for errors and the profile. The string must outlive the
  // work and its records.
  virtual void set_label(const char* label, Phase phase) = 0;
  // Whether what is enqueued from now on is recorded. Off at first, and then free.
  virtual void profile(bool on) { (void)on; }
  // The records so far, in order, each handed out once. Call it after synchronize().
  // Empty also where the back end records nothing.
  virtual std::vector<TaskRecord> take_profile() { return {}; }
  // Blocks until all work is done; throws the first error that happened in it.
  virtual void synchronize() = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual DeviceId id() const = 0;
  virtual int threads() const = 0;  // CPU threads of this device; 0 on a GPU
  // The channel block that its convolutions like best; 1: planes.
  virtual int channel_block(DType dtype) const = 0;
  // The channel block in which an engine ("auto", or by its name) reads its input; 1: planes. The
  // problem's own block is not read.
  virtual int conv_input_block(const std::string& engine, const ConvProblem& problem) const {
    (void)engine, (void)problem;
    return 1;
  }
  // From now on float products may be rounded to TF32 (10 bits of mantissa), on tensor cores.
  // False: the device has none.
  virtual bool allow_tf32() { return false; }
  virtual PeakRates measure_peak_rates() { return {}; }  // takes about a second; blocking

  virtual void* allocate(size_t bytes) = 0;  // 64-byte aligned; throws DeviceError when full
  virtual void release(void* data) noexcept = 0;
  // Memory of the host that uploads and downloads of this device reach without a detour.
  virtual void* allocate_host(size_t bytes) = 0;
  virtual void release_host(void* data) noexcept = 0;
  // Whether all of it is such memory, of this device or another of its kind, so that an upload may
  // be left to read it later. Never on a CPU, where uploads copy by the host's own threads.
  virtual bool reaches(const void* data, size_t bytes) const {
    (void)data, (void)bytes;
    return false;
  }
  virtual std::unique_ptr<Stream> make_stream() = 0;
  // `name` is "auto" or an engine's name; throws ConfigError with the names there are.
  virtual std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem&,
                                                const ConvPasses&) = 0;
};

}  // namespace alexnet
