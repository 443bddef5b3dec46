// Exception types. Messages say what was expected, what was found and what to do. Python sees
// ConfigError and ShapeError as ValueError.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace alexnet {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct ConfigError : Error {  // an invalid description, name or option
  using Error::Error;
};
struct ShapeError : Error {  // sizes that do not match
  using Error::Error;
};
struct DeviceError : Error {  // a device call failed
  using Error::Error;
};
struct UnavailableError : Error {  // a back end, library or device is not available
  using Error::Error;
};
struct InternalError : Error {  // a bug in this library
  using Error::Error;
};

namespace detail {
inline void format_rest(std::ostringstream& out, std::string_view text) { out << text; }
template <class A, class... Rest>
void format_rest(std::ostringstream& out, std::string_view text, const A& a, const Rest&... rest) {
  const size_t at = text.find("{}");
  if (at == std::string_view::npos) {
    out << text;
    return;
  }
  out << text.substr(0, at) << a;
  format_rest(out, text.substr(at + 2), rest...);
}
}  // namespace detail

// Replaces each "{}" by the next argument (std::format needs a newer compiler than we require).
template <class... A>
std::string format(std::string_view text, const A&... args) {
  std::ostringstream out;
  detail::format_rest(out, text, args...);
  return out.str();
}

template <class E, class... A>
[[noreturn]] void fail(std::string_view text, const A&... args) {
  throw E(format(text, args...));
}

template <class E, class... A>
void require(bool condition, std::string_view text, const A&... args) {
  if (!condition) fail<E>(text, args...);
}

}  // namespace alexnet
