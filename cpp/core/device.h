// Devices and streams: the interface that back ends (backends/*) implement.
//
// A stream runs tasks in order, asynchronously to the caller. There are no implicit transfers or
// synchronisations; functions that block say so.
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

// C = alpha * op(A) * op(B) + beta * C, row-major. The matrices are on the stream's device. A and B
// have type `dtype`, C has its compute type (core/dtype.h).
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  int64_t m = 0, n = 0, k = 0;
  const void *a = nullptr, *b = nullptr;
  void* c = nullptr;
  int64_t lda = 0, ldb = 0, ldc = 0;
  double alpha = 1, beta = 0;
  DType dtype = DType::f32;
};

// A point in a stream's work that other streams can wait for. Reusable: record, wait, record, ...
class Event {
 public:
  virtual ~Event() = default;
  // For streams of other back ends: returns a function that blocks its caller until the work before
  // the latest record() has finished.
  virtual std::function<void()> host_wait() = 0;
};

// Work on one or more streams that is enqueued repeatedly, such as a training step. A device may
// record it once and replay it with less host time. Usage: repeat
//   begin(), enqueue everything, end()
// until end() returns true. The arguments of ops may change between steps; the sequence of calls
// must not.
class StepGraph {
 public:
  virtual ~StepGraph() = default;
  virtual void begin() = 0;
  virtual bool end() = 0;              // false: nothing has run; enqueue everything again
  virtual void cancel() noexcept = 0;  // call it instead of end() after an exception
  // Call it instead of cancel() to stop recording. Returns true if nothing has run: the caller must
  // then enqueue this step again; this and all later steps run without recording. `why` is printed
  // for the user.
  virtual bool give_up(const std::string& why) noexcept = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual DeviceId device() const = 0;

  // Runs op `index` of AllOps. `op` points to its struct, which is copied. Callers use run() of
  // ops/run.h.
  virtual void launch(int index, const void* op, size_t size, Grid grid) = 0;
  virtual void gemm(const Gemm& gemm) = 0;

  virtual void fill_zero(AnyView dst) = 0;
  // `src` and `dst` must have the same number of elements and the same dtype. `dst` may be on
  // another device; this stream must belong to the device of `src`.
  virtual void copy(AnyView src, AnyView dst) = 0;
  // Host memory must stay valid until synchronize().
  virtual void upload(const void* src, AnyView dst) = 0;
  virtual void download(AnyView src, void* dst) = 0;

  virtual std::unique_ptr<Event> make_event() = 0;
  virtual void record(Event& event) = 0;
  virtual void wait(Event& event) = 0;  // the stream waits, not the caller
  // Returns null if recording has no benefit. `streams`: all streams that the work uses, this one
  // first.
  virtual std::unique_ptr<StepGraph> make_step_graph(const std::vector<Stream*>& streams) {
    (void)streams;
    return nullptr;
  }

  // Names the work enqueued from now on, for error messages and the profile. The string must
  // outlive the work and its records.
  virtual void set_label(const char* label, Phase phase) = 0;
  // Whether the work enqueued from now on is profiled. Default: off, which costs nothing.
  virtual void profile(bool on) { (void)on; }
  // Returns the records since the last call, in order. Call it after synchronize(). Empty if the
  // back end does not record.
  virtual std::vector<TaskRecord> take_profile() { return {}; }
  // Blocks until all work has finished; throws the first error that occurred in it.
  virtual void synchronize() = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual DeviceId id() const = 0;
  virtual int threads() const = 0;  // number of CPU threads; 0 on a GPU
  // Preferred channel block of its convolutions; 1: planes.
  virtual int channel_block(DType dtype) const = 0;
  // The channel block in which an engine ("auto", or by its name) reads its input; 1: planes. The
  // block of `problem` is not read.
  virtual int conv_input_block(const std::string& engine, const ConvProblem& problem) const {
    (void)engine, (void)problem;
    return 1;
  }
  // Allows float32 products to be rounded to TF32 (10-bit mantissa) on tensor cores from now on.
  // Returns false if the device does not support it.
  virtual bool allow_tf32() { return false; }
  virtual PeakRates measure_peak_rates() { return {}; }  // blocks for about a second

  virtual void* allocate(size_t bytes) = 0;  // 64-byte aligned; throws DeviceError if out of memory
  virtual void release(void* data) noexcept = 0;
  // Allocates host memory that uploads and downloads of this device access directly (pinned memory
  // on a GPU).
  virtual void* allocate_host(size_t bytes) = 0;
  virtual void release_host(void* data) noexcept = 0;
  // Whether all these bytes are memory from allocate_host() of this device or another of its kind,
  // so that an upload may read them after it returns. Always false on a CPU.
  virtual bool reaches(const void* data, size_t bytes) const {
    (void)data, (void)bytes;
    return false;
  }
  virtual std::unique_ptr<Stream> make_stream() = 0;
  // `name`: "auto" or the name of an engine. Throws ConfigError with the available names.
  virtual std::unique_ptr<ConvEngine> make_conv(const std::string& name, const ConvProblem&,
                                                const ConvPasses&) = 0;
};

}  // namespace alexnet
