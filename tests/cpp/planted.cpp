// planted BUG: makes one mistake on purpose, to show that a sanitizer build or the simulated GPU
// detects it. Each bug occurs in the library's own code, which must be instrumented to detect it.
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "device_memory.h"
#include "ops/run.h"

using namespace alexnet;
using namespace alexnet::test;

// An op with an operand that is shorter than its shape.
static void heap_overflow(Device& device, Stream& stream) {
  const Tensor x(device, {1, 1, 1, 1000}, DType::f32), y(device, {1, 1, 1, 999}, DType::f32);
  AnyView longer = y.view();
  longer.shape.w = 1000;
  stream.fill_zero(x.view());
  run(stream, Add<float>{x.view(), longer});
  stream.synchronize();
}

static void use_after_free(Device& device, Stream& stream) {
  AnyView gone;
  {
    const Tensor x(device, {1, 1, 1, 64}, DType::f32);
    gone = x.view();
  }
  run(stream, Add<float>{gone, gone});
  stream.synchronize();
}

// The host reads without synchronising first.
static void data_race(Device& device, Stream& stream) {
  const Tensor x(device, {1, 1, 1, 4096}, DType::f32);
  run(stream, Add<float>{x.view(), x.view()});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // this does not order anything
  const volatile float* data = static_cast<const float*>(x.view().data);
  std::printf("%f\n", double(data[7]));
  stream.synchronize();
}

// A copy to another device, whose stream reads without waiting for an event.
static void missing_event(Device& device, Stream& stream) {
  const auto second = tested(1);
  const auto other = second->make_stream();
  const Tensor here(device, {1, 1, 1, 4096}, DType::f32),
      there(*second, {1, 1, 1, 4096}, DType::f32);
  for (int i = 0; i < 300; ++i) {  // a single copy may be ordered by chance
    stream.copy(here.view(), there.view());
    run(*other, Add<float>{there.view(), there.view()});
  }
  stream.synchronize();
  other->synchronize();
}

// The size of a shape as int: the library computes it as int64_t.
static void signed_overflow(Device&, Stream&) {
  volatile int h = INT_MAX, w = 2;
  std::printf("%d\n", h * w);
}

int main(int argc, char** argv) {
  std::signal(SIGABRT, [](int) { std::_Exit(99); });  // CTest treats a signal as a failure
  const struct {
    const char* name;
    void (*make)(Device&, Stream&);
  } bugs[] = {{"heap_overflow", heap_overflow},
              {"use_after_free", use_after_free},
              {"signed_overflow", signed_overflow},
              {"data_race", data_race},
              {"missing_event", missing_event}};
  const auto device = tested(0);
  const auto stream = device->make_stream();
  for (const auto& bug : bugs)
    if (argc == 2 && std::strcmp(argv[1], bug.name) == 0) {
      bug.make(*device, *stream);
      std::printf("the bug was not detected\n");
      return 0;
    }
  return 2;
}
