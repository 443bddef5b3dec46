#include "layers/registry.h"

#include <set>

#include "layers/list.h"

namespace alexnet {

#define ANX_DECLARE(type) \
  std::unique_ptr<Layer> make_layer_##type(const std::string&, DType, const Attrs&);
ANX_LAYERS(ANX_DECLARE)
#undef ANX_DECLARE

namespace {

using Maker = std::unique_ptr<Layer> (*)(const std::string&, DType, const Attrs&);

const std::map<std::string, Maker>& makers() {
#define ANX_ENTRY(type) {#type, &make_layer_##type},
  static const std::map<std::string, Maker> table = {ANX_LAYERS(ANX_ENTRY)};
#undef ANX_ENTRY
  return table;
}

const std::set<std::string>& described_types() {
#define ANX_NAME_OF(type) #type,
  static const std::set<std::string> names = {ANX_DESCRIBED_LAYERS(ANX_NAME_OF)};
#undef ANX_NAME_OF
  return names;
}

}  // namespace

void require_described(const std::string& type, const std::string& name) {
  if (described_types().count(type)) return;
  std::string known;
  for (const std::string& t : described_types()) known += (known.empty() ? "" : ", ") + t;
  fail<ConfigError>("layer '{}': unknown layer type '{}'; known types: {}", name, type, known);
}

std::vector<std::string> layer_types() {
  std::vector<std::string> names;
  for (const auto& [name, make] : makers()) names.push_back(name);
  return names;
}

std::unique_ptr<Layer> make_layer(const std::string& type, const std::string& name, DType dtype,
                                  const Attrs& attrs) {
  const auto found = makers().find(type);
  if (found == makers().end()) require_described(type, name);
  try {
    auto layer = found->second(name, dtype, attrs);
    attrs.reject_unread(type);
    return layer;
  } catch (const ConfigError& e) {
    fail<ConfigError>("layer '{}': {}", name, e.what());
  }
}

}  // namespace alexnet
