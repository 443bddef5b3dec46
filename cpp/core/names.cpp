// Conversion of devices and shapes to and from text.
#include <charconv>

#include "core/device_id.h"
#include "core/errors.h"
#include "core/shape.h"

namespace alexnet {

std::string to_string(DeviceId id) {
  return format("{}:{}", id.kind == DeviceKind::cpu ? "cpu" : "cuda", id.index);
}

DeviceId parse_device(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  DeviceId id;
  id.kind = kind == "cuda" ? DeviceKind::cuda : DeviceKind::cpu;
  bool ok = kind == "cpu" || kind == "cuda";
  if (ok && colon != std::string_view::npos) {
    const std::string_view number = text.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), id.index);
    ok = error == std::errc() && end == number.data() + number.size() && id.index >= 0;
  }
  require<ConfigError>(ok, "unknown device '{}': write cpu:0, cpu:1, cuda:0, ...", text);
  return id;
}

std::string to_string(const Shape& s) { return format("{}x{}x{}x{}", s.n, s.c, s.h, s.w); }

}  // namespace alexnet
