// The arithmetic of a network.
#pragma once

#include "core/device.h"
#include "core/errors.h"

namespace alexnet {

struct Precision {
  DType dtype = DType::f32;
  bool tf32 = false;  // float products on tensor cores
};

inline void apply(Device& device, const Precision& precision) {
  require<UnavailableError>(!precision.tf32 || device.allow_tf32(),
                            "precision tf32 needs a GPU with tensor cores, and {} is none: choose "
                            "fp32 or bf16, or another device",
                            to_string(device.id()));
}

}  // namespace alexnet
