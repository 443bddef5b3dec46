// Scratch memory of a thread: grown when first needed, then kept, so that a step allocates nothing.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace alexnet {
namespace {

// No std::vector: its functions would be compiled for one instruction set and linked for all.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch() { std::free(data_); }

  void* at_least(size_t bytes) {
    if (bytes > bytes_) {
      std::free(data_);
      bytes_ = 0;
      data_ = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
      if (!data_) throw std::bad_alloc();
      bytes_ = bytes;
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// `count` elements, aligned to 64 bytes, not initialised. Each `place` is a memory of its own.
template <class T>
T* scratch(int place, size_t count) {
  thread_local Scratch memory[4];
  return static_cast<T*>(memory[place].at_least(count * sizeof(T)));
}

}  // namespace
}  // namespace alexnet
