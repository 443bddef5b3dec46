// A hash of the list of ops: their names, order and sizes. Modules that launch ops by index must
// have the same fingerprint.
#pragma once

#include <string_view>

#include "ops/all_ops.h"

namespace alexnet {

constexpr uint64_t mix(uint64_t h, uint64_t value) {
  return (h ^ value) * 1099511628211u;  // FNV-1a
}

template <class... Ops>
constexpr uint64_t fingerprint(OpList<Ops...>) {
  uint64_t h = 14695981039346656037u;
  const auto add = [&h](std::string_view name, size_t size) {
    for (const char c : name) h = mix(h, uint8_t(c));
    h = mix(h, size);
  };
  (add(Ops::name, sizeof(Ops)), ...);
  return h;
}

inline constexpr uint64_t kOpsFingerprint = fingerprint(AllOps{});

}  // namespace alexnet
