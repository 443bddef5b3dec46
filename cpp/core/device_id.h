// The name of a device: "cpu:0", "cpu:1", "cuda:0". Each cpu device has its own threads and memory,
// so that placement and copies between devices can be used without a GPU.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/macros.h"

namespace alexnet {

enum class DeviceKind : int16_t { cpu, cuda };

struct DeviceId {
  DeviceKind kind = DeviceKind::cpu;
  int16_t index = 0;

  friend ANX_HD bool operator==(DeviceId a, DeviceId b) {
    return a.kind == b.kind && a.index == b.index;
  }
};

std::string to_string(DeviceId id);

// Parses "cpu", "cpu:1", "cuda:0". Throws ConfigError with the accepted forms.
DeviceId parse_device(std::string_view text);

}  // namespace alexnet
