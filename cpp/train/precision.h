// The precision of a network's arithmetic.
#pragma once

#include "core/device.h"
#include "core/errors.h"

namespace alexnet {

struct Precision {
  DType dtype = DType::f32;
  bool tf32 = false;  // float32 products on tensor cores, rounded to TF32
};

inline void apply(Device& device, const Precision& precision) {
  require<UnavailableError>(
      !precision.tf32 || device.allow_tf32(),
      "precision tf32 needs a GPU with tensor cores; {} has none: use fp32 or bf16, or another "
      "device",
      to_string(device.id()));
}

}  // namespace alexnet
