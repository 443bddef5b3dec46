// Scratch memory per thread. It grows on demand and is kept, so that later steps allocate nothing.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace alexnet {
namespace {

// Not a std::vector: the linker might keep a copy of its functions that was compiled for another
// instruction set.
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

// Uninitialised memory for `count` elements, aligned to 64 bytes. Different values of `place` give
// separate buffers.
template <class T>
T* scratch(int place, size_t count) {
  thread_local Scratch memory[4];
  return static_cast<T*>(memory[place].at_least(count * sizeof(T)));
}

}  // namespace
}  // namespace alexnet
