// A test runner in one header: ANX_TEST(what_is_true) { ANX_CHECK(...); }. Has no dependencies.
//
// A failed check is reported and the test continues; an exception ends the test.
#pragma once

#include <cmath>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

namespace alexnet::test {

struct Case {
  std::string suite, name;  // suite: the name of the file, "test_philox"
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(std::string file, const char* name, void (*run)()) {
    file.erase(0, file.find_last_of('/') + 1);
    cases().push_back({file.substr(0, file.rfind('.')), name, run});
  }
};

inline void report(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  ++failures();
}

template <class A, class B>
void check_equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return;
  std::ostringstream out;
  out << text << ": " << a << " is not " << b;
  report(file, line, out.str());
}

inline void check_close(double a, double b, double tolerance, const char* text, const char* file,
                        int line) {
  if (std::abs(a - b) <= tolerance) return;  // false for NaN too
  std::ostringstream out;
  out.precision(9);
  out << text << ": " << a << " is not within " << tolerance << " of " << b;
  report(file, line, out.str());
}

template <class E, class F>
void check_throws(F&& f, const std::string& part, const char* file, int line) {
  try {
    f();
  } catch (const E& e) {
    if (std::string(e.what()).find(part) == std::string::npos)
      report(file, line,
             "the message '" + std::string(e.what()) + "' does not contain '" + part + "'");
    return;
  } catch (const std::exception& e) {
    report(file, line, "an exception of another type was thrown: " + std::string(e.what()));
    return;
  }
  report(file, line, "no exception was thrown; expected one with the message '" + part + "'");
}

}  // namespace alexnet::test

#define ANX_TEST(name)                                                                  \
  static void name();                                                                   \
  static const ::alexnet::test::Registration registered_##name(__FILE__, #name, &name); \
  static void name()

#define ANX_CHECK(condition) \
  ((condition) ? void() : ::alexnet::test::report(__FILE__, __LINE__, "false: " #condition))
#define ANX_CHECK_EQUAL(a, b) \
  ::alexnet::test::check_equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define ANX_CHECK_CLOSE(a, b, tolerance) \
  ::alexnet::test::check_close((a), (b), (tolerance), #a " ~ " #b, __FILE__, __LINE__)
// The expression throws E, and its message contains `part`.
#define ANX_CHECK_THROWS(E, part, ...) \
  ::alexnet::test::check_throws<E>([&] { (void)(__VA_ARGS__); }, part, __FILE__, __LINE__)
