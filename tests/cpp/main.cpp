// native_tests SUITE: runs the tests of one file; without an argument, all of them.
#include <cstring>

#include "check.h"

using namespace alexnet::test;

int main(int argc, char** argv) {
  int ran = 0;
  for (const Case& test : cases()) {
    if (argc > 1 && test.suite != argv[1]) continue;
    ++ran;
    const int before = failures();
    try {
      test.run();
    } catch (const std::exception& e) {
      report(test.suite.c_str(), 0, test.name + " threw: " + e.what());
    }
    std::printf("%-6s %s: %s\n", failures() == before ? "ok" : "FAILED", test.suite.c_str(),
                test.name.c_str());
  }
  std::printf("%d tests, %d failed checks\n", ran, failures());
  return ran > 0 && failures() == 0 ? 0 : 1;
}
