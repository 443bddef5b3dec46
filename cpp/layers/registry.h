// Registers a layer type: ANX_LAYER(type, ClassTemplate) in its file and one line in layers/list.h.
#pragma once

#include "layers/layer.h"

// ClassTemplate<T>(const Attrs&) or ClassTemplate<T>(const Attrs&, const std::string& layer_name).
#define ANX_LAYER(type, Class)                                                   \
  std::unique_ptr<Layer> make_layer_##type(const std::string& name, DType dtype, \
                                           const Attrs& attrs) {                 \
    return detail::make_typed<Class>(name, dtype, attrs);                        \
  }

namespace alexnet::detail {

template <class L>
std::unique_ptr<Layer> make_one(const std::string& name, const Attrs& attrs) {
  if constexpr (std::is_constructible_v<L, const Attrs&, const std::string&>) {
    return std::make_unique<L>(attrs, name);
  } else {
    return std::make_unique<L>(attrs);
  }
}

template <template <class> class L>
std::unique_ptr<Layer> make_typed(const std::string& name, DType dtype, const Attrs& attrs) {
  return for_dtype(dtype, [&](auto t) { return make_one<L<decltype(t)>>(name, attrs); });
}

}  // namespace alexnet::detail
