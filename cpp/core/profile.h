// Records of a profiled stream's tasks, and the peak rates of a device.
#pragma once

#include <chrono>
#include <cstdint>

namespace alexnet {

// The part of a step that a task belongs to. Callers set it together with the label, except `wait`,
// which the stream sets itself: it waited for another stream.
enum class Phase : uint8_t { other, forward, backward, reduce, update, upload, download, wait };

constexpr const char* name_of(Phase phase) {
  constexpr const char* names[] = {"other",  "forward", "backward", "reduce",
                                   "update", "upload",  "download", "wait"};
  return names[int(phase)];
}

struct TaskRecord {
  const char* label;  // from set_label(): the layer, the parameter, "data"
  const char* what;   // the op, "gemm", "copy", or a part of an engine
  Phase phase = Phase::other;
  int64_t start = 0, end = 0;  // by profile_clock()
};

// Nanoseconds; the same clock for all streams of the process.
inline int64_t profile_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Measured rates per second that no kernel of this device exceeds, apart from algorithms that need
// fewer operations (Winograd). 0: the device does not support it.
struct PeakRates {
  double f32_flops = 0;
  double tf32_flops = 0;  // fp32 products with factors rounded to a 10-bit mantissa
  double bf16_flops = 0;  // bf16 products, fp32 sums
  double bytes = 0;       // between the processor and its memory, read and written
};

}  // namespace alexnet
