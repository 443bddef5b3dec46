// Orders the streams. An instruction waits for an earlier one of another stream if both access the
// same memory and at least one writes it: values read across streams, and reused memory.
#include <algorithm>

#include "graph/passes.h"

namespace alexnet {
namespace {

bool overlap(const Buffer& a, const Buffer& b) {
  return a.device == b.device && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

bool touch(const Program& program, const std::vector<int>& a, const std::vector<int>& b) {
  for (const int i : a)
    for (const int j : b)
      if (overlap(program.buffers[i], program.buffers[j])) return true;
  return false;
}

}  // namespace

void order_streams(Program& program) {
  auto& list = program.instructions;
  const size_t streams = program.inputs.size();
  // known[i][s]: the last instruction of stream s that is known to have finished when i starts.
  std::vector<std::vector<int>> known(list.size(), std::vector<int>(streams, -1));
  std::vector<int> last(streams, -1);
  for (int i = 0; i < int(list.size()); ++i) {
    Instruction& later = list[i];
    const size_t own = size_t(later.stream);
    if (last[own] >= 0) known[i] = known[last[own]];
    known[i][own] = last[own];
    for (int j = i - 1; j >= 0; --j) {
      Instruction& earlier = list[j];
      const size_t other = size_t(earlier.stream);
      if (other == own || j <= known[i][other]) continue;
      if (!touch(program, earlier.writes, later.reads) &&
          !touch(program, earlier.writes, later.writes) &&
          !touch(program, earlier.reads, later.writes))
        continue;
      later.waits.push_back(j);
      earlier.signals = true;
      known[i][other] = j;
      for (size_t s = 0; s < streams; ++s)
        if (s != own) known[i][s] = std::max(known[i][s], known[j][s]);
    }
    last[own] = i;
  }
}

}  // namespace alexnet
