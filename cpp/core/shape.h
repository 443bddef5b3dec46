// Shapes: images x channels x height x width. Dense activations are (n, features, 1, 1).
#pragma once

#include <cstdint>
#include <string>

#include "core/macros.h"

namespace alexnet {

struct Shape {
  int n = 1, c = 1, h = 1, w = 1;

  ANX_HD int64_t plane() const { return int64_t(h) * w; }
  ANX_HD int64_t per_image() const { return int64_t(c) * h * w; }
  ANX_HD int64_t count() const { return int64_t(n) * c * h * w; }
  friend ANX_HD bool operator==(const Shape& a, const Shape& b) {
    return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
  }
};

std::string to_string(const Shape& shape);  // "128x96x55x55"

}  // namespace alexnet
