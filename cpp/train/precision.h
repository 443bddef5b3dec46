// Which precisions run where.
#pragma once

#include "core/device_id.h"
#include "core/dtype.h"
#include "core/errors.h"

namespace alexnet {

inline void require_precision(DeviceId device, DType dtype) {
  require<UnavailableError>(
      dtype != DType::bf16 || device.kind == DeviceKind::cpu,
      "precision bf16 runs on CPU devices only, not on {}: choose fp32, or another device",
      to_string(device));
}

}  // namespace alexnet
