// The attributes of a layer from its description: kernel = 5, alpha_mode = "mean", ... A layer must
// read every attribute: one that is not read is an error, such as a misspelled name.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>

namespace alexnet {

using AttrValue = std::variant<bool, int64_t, double, std::string>;

class Attrs {
 public:
  Attrs() = default;
  explicit Attrs(std::map<std::string, AttrValue> values) : values_(std::move(values)) {}

  bool has(const std::string& key) const { return values_.count(key) > 0; }
  void set(const std::string& key, AttrValue value) { values_[key] = std::move(value); }
  void erase(const std::string& key) { values_.erase(key); }

  // The attribute, or the fallback if it is absent. Throws ConfigError if it has another type.
  int get(const std::string& key, int fallback) const;
  double get(const std::string& key, double fallback) const;
  bool get(const std::string& key, bool fallback) const;
  std::string get(const std::string& key, const char* fallback) const;
  int required_int(const std::string& key) const;  // throws ConfigError if it is absent

  // Throws ConfigError if an attribute was not read; the message lists those that were.
  void reject_unread(const std::string& type) const;

 private:
  std::map<std::string, AttrValue> values_;
  mutable std::set<std::string> read_;
};

}  // namespace alexnet
