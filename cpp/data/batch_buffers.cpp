#include "data/batch_buffers.h"

namespace alexnet {
namespace {

struct Part {
  char* at;
  size_t used = 0;

  template <class T>
  T* take(int64_t count) {
    constexpr size_t line = 64;
    T* part = reinterpret_cast<T*>(at + used);
    used += (size_t(count) * sizeof(T) + line - 1) / line * line;
    return count > 0 ? part : nullptr;
  }
};

size_t lay_out(const BatchLayout& layout, void* memory, BatchBuffer* out) {
  Part part{static_cast<char*>(memory)};
  const int64_t n = layout.capacity;
  out->memory = memory;
  out->images = part.take<float>(n * layout.image_floats);
  out->records = part.take<uint8_t>(layout.records ? n * layout.record.bytes() : 0);
  out->labels = part.take<int32_t>(n);
  out->offsets = part.take<int32_t>(2 * n);
  out->mirror = part.take<uint8_t>(n);
  out->color = part.take<float>(n * layout.record.channels);
  return part.used;
}

}  // namespace

size_t BatchLayout::bytes() const {
  BatchBuffer unused;
  return lay_out(*this, nullptr, &unused);
}

BatchBuffer BatchLayout::place(void* memory) const {
  BatchBuffer buffer;
  lay_out(*this, memory, &buffer);
  return buffer;
}

BatchBuffers::~BatchBuffers() {
  for (const auto& buffer : all_) device_->release_host(buffer->memory);
}

BatchBuffer* BatchBuffers::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    free_.reserve(all_.size() + 1);  // so that give_back() does not allocate
    void* memory = device_->allocate_host(layout_.bytes());
    all_.push_back(std::make_unique<BatchBuffer>(layout_.place(memory)));
    return all_.back().get();
  }
  BatchBuffer* buffer = free_.back();
  free_.pop_back();
  return buffer;
}

void BatchBuffers::give_back(BatchBuffer* buffer) {
  const std::lock_guard lock(mutex_);
  free_.push_back(buffer);
}

int BatchBuffers::made() const {
  const std::lock_guard lock(mutex_);
  return int(all_.size());
}

}  // namespace alexnet
