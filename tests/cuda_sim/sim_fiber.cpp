#include "sim_fiber.h"

#include <sys/mman.h>

#if defined(CUDA_SIM_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(CUDA_SIM_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_ignore_thread_begin();
extern "C" void __tsan_ignore_thread_end();
#endif

// cuda_sim_switch(&own, other): saves the callee-saved registers on the stack and the stack pointer
// in `own`, and continues where `other` was saved.
#if defined(__x86_64__)
asm(R"(
.text
.type cuda_sim_switch, @function
cuda_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_sim_switch, .-cuda_sim_switch
)");
namespace {
constexpr int kSaved = 6;     // registers above the return address
constexpr int kReturnAt = 6;  // index of the return address
}  // namespace
#elif defined(__aarch64__)
asm(R"(
.text
.type cuda_sim_switch, %function
cuda_sim_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size cuda_sim_switch, .-cuda_sim_switch
)");
namespace {
constexpr int kSaved = 20;
constexpr int kReturnAt = 11;  // x30
}  // namespace
#else
#error "the fibers of the simulator support x86-64 and arm64 only"
#endif
extern "C" void cuda_sim_switch(void** own, void* other);

namespace cuda_sim {
namespace {

struct Start {
  void (*entry)(void*);
  void* context;
};
thread_local Fiber* running = nullptr;
thread_local Start starting;

void begin() {
  const Start start = starting;
  Fiber::arrived();
  start.entry(start.context);
  die("a fiber returned");
}

#if defined(CUDA_SIM_TSAN)
// Calls something() as if the fiber, which is not running, called it.
void as_fiber(void* shadow, void (*something)()) {
  void* const own = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(shadow, 1);
  something();
  __tsan_switch_to_fiber(own, 1);
}
#endif

}  // namespace

void hide_from_sanitizer() {
#if defined(CUDA_SIM_TSAN)
  __tsan_ignore_thread_begin();
#endif
}
void show_to_sanitizer() {
#if defined(CUDA_SIM_TSAN)
  __tsan_ignore_thread_end();
#endif
}

Fiber::Fiber(void (*entry)(void*), void* context) {
  void* memory = mmap(nullptr, kStack + sizeof(Start), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) die("out of memory for a fiber");
  stack_ = static_cast<char*>(memory);
  *reinterpret_cast<Start*>(stack_ + kStack) = {entry, context};
  // The new stack looks as if cuda_sim_switch had been called at the start of begin().
  auto** top = reinterpret_cast<void**>(stack_ + kStack) - 1;
  top -= kSaved + 1;
#if defined(__aarch64__)
  top = reinterpret_cast<void**>(stack_ + kStack) - kSaved;
#endif
  top[kReturnAt] = reinterpret_cast<void*>(&begin);
  own_ = top;
#if defined(CUDA_SIM_TSAN)
  own_shadow_ = __tsan_create_fiber(0);
  as_fiber(own_shadow_, &__tsan_ignore_thread_begin);
#endif
}

Fiber::~Fiber() {
#if defined(CUDA_SIM_TSAN)
  as_fiber(own_shadow_, &__tsan_ignore_thread_end);
  __tsan_destroy_fiber(own_shadow_);
#endif
#if defined(CUDA_SIM_ASAN)
  __asan_unpoison_memory_region(stack_, kStack);  // the memory may be reused
#endif
  munmap(stack_, kStack + sizeof(Start));
}

void Fiber::resume() {
  running = this;
  starting = *reinterpret_cast<Start*>(stack_ + kStack);
#if defined(CUDA_SIM_ASAN)
  __sanitizer_start_switch_fiber(&other_shadow_, stack_, kStack);
#elif defined(CUDA_SIM_TSAN)
  other_shadow_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(own_shadow_, 1);  // 1: the switch does not order anything
#endif
  cuda_sim_switch(&other_, own_);
#if defined(CUDA_SIM_ASAN)
  __sanitizer_finish_switch_fiber(other_shadow_, nullptr, nullptr);
#endif
}

void Fiber::arrived() {
#if defined(CUDA_SIM_ASAN)
  __sanitizer_finish_switch_fiber(running->own_shadow_, &running->other_bottom_,
                                  &running->other_size_);
#endif
}

void Fiber::pause() {
  Fiber* self = running;
#if defined(CUDA_SIM_ASAN)
  __sanitizer_start_switch_fiber(&self->own_shadow_, self->other_bottom_, self->other_size_);
#elif defined(CUDA_SIM_TSAN)
  __tsan_switch_to_fiber(self->other_shadow_, 1);
#endif
  cuda_sim_switch(&self->own_, self->other_);
  running = self;
  arrived();
}

}  // namespace cuda_sim
