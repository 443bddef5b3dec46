#include "layers/attrs.h"

#include "core/errors.h"

namespace alexnet {

int Attrs::get(const std::string& key, int fallback) const {
  read_.insert(key);
  const auto found = values_.find(key);
  if (found == values_.end()) return fallback;
  const auto* value = std::get_if<int64_t>(&found->second);
  require<ConfigError>(value && *value >= -(int64_t(1) << 30) && *value <= (int64_t(1) << 30),
                       "'{}' must be an integer", key);
  return int(*value);
}

double Attrs::get(const std::string& key, double fallback) const {
  read_.insert(key);
  const auto found = values_.find(key);
  if (found == values_.end()) return fallback;
  if (const auto* whole = std::get_if<int64_t>(&found->second)) return double(*whole);
  const auto* value = std::get_if<double>(&found->second);
  require<ConfigError>(value, "'{}' must be a number", key);
  return *value;
}

bool Attrs::get(const std::string& key, bool fallback) const {
  read_.insert(key);
  const auto found = values_.find(key);
  if (found == values_.end()) return fallback;
  const auto* value = std::get_if<bool>(&found->second);
  require<ConfigError>(value, "'{}' must be true or false", key);
  return *value;
}

std::string Attrs::get(const std::string& key, const char* fallback) const {
  read_.insert(key);
  const auto found = values_.find(key);
  if (found == values_.end()) return fallback;
  const auto* value = std::get_if<std::string>(&found->second);
  require<ConfigError>(value, "'{}' must be a string", key);
  return *value;
}

int Attrs::required_int(const std::string& key) const {
  require<ConfigError>(has(key), "'{}' is missing", key);
  return get(key, 0);
}

void Attrs::reject_unread(const std::string& type) const {
  for (const auto& [key, value] : values_) {
    if (read_.count(key)) continue;
    std::string known;
    for (const auto& k : read_) known += (known.empty() ? "" : ", ") + k;
    fail<ConfigError>("'{}' is not an attribute of {}; its attributes are {}", key, type, known);
  }
}

}  // namespace alexnet
