// What a stream notes of its tasks while it is profiled, and what a device can do at best.
#pragma once

#include <chrono>
#include <cstdint>

namespace alexnet {

// What a task belongs to; the stream's user says so with the label. `wait` is the stream's own: it
// stood still for another stream.
enum class Phase : uint8_t { other, forward, backward, reduce, update, upload, download, wait };

constexpr const char* name_of(Phase phase) {
  constexpr const char* names[] = {"other",  "forward", "backward", "reduce",
                                   "update", "upload",  "download", "wait"};
  return names[int(phase)];
}

struct TaskRecord {
  const char* label;  // what set_label() said: the layer, the parameter, "data"
  const char* what;   // the op, "gemm", "copy", an engine's part
  Phase phase = Phase::other;
  int64_t start = 0, end = 0;  // of profile_clock()
};

// Nanoseconds; one clock for all streams of the process.
inline int64_t profile_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Measured: what no kernel of this device exceeds, without algorithms of fewer operations. Per
// second; 0: it cannot.
struct PeakRates {
  double f32_flops = 0;
  double tf32_flops = 0;  // fp32 products whose factors are rounded to 10 bits of mantissa
  double bf16_flops = 0;  // products of bf16, sums in fp32
  double bytes = 0;       // between the processor and its memory, read and written
};

}  // namespace alexnet
