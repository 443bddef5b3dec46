// Assigns offsets in the arena of each device, largest buffer first: the lowest offset at which the
// buffer does not overlap another one that is alive at the same time.
#include <algorithm>

#include "graph/passes.h"

namespace alexnet {
namespace {

constexpr size_t kAlignment = 256;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool alive_together(const Buffer& a, const Buffer& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

void plan_memory(Program& program) {
  program.arena_bytes.assign(program.inputs.size(), 0);
  std::vector<int> order;
  for (int i = 0; i < int(program.buffers.size()); ++i)
    if (program.buffers[i].alias < 0 && program.buffers[i].first >= 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return program.buffers[a].bytes > program.buffers[b].bytes;
  });

  std::vector<std::vector<int>> placed(program.inputs.size());  // sorted by offset
  for (const int index : order) {
    Buffer& buffer = program.buffers[index];
    auto& others = placed[size_t(buffer.device)];
    size_t offset = 0;
    for (const int other : others) {
      const Buffer& o = program.buffers[other];
      if (!alive_together(buffer, o)) continue;
      if (offset + buffer.bytes <= o.offset) break;
      offset = std::max(offset, o.offset + aligned(o.bytes));
    }
    buffer.offset = offset;
    const auto at = std::upper_bound(others.begin(), others.end(), offset, [&](size_t v, int o) {
      return v < program.buffers[o].offset;
    });
    others.insert(at, index);
    size_t& arena = program.arena_bytes[size_t(buffer.device)];
    arena = std::max(arena, offset + aligned(buffer.bytes));
  }
  for (Buffer& buffer : program.buffers) {
    int root = buffer.alias;
    while (root >= 0 && program.buffers[root].alias >= 0) root = program.buffers[root].alias;
    if (root >= 0) buffer.offset = program.buffers[root].offset;
  }
}

}  // namespace alexnet
