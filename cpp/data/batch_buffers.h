// The buffers that batches lie in, used again and again. They outlive the loader where a batch
// does.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/device.h"
#include "data/records.h"

namespace alexnet {

// Memory of the host that the device reaches without a detour; what a batch has no use for is null.
struct BatchBuffer {
  float* images = nullptr;     // (N, C, h, w), augmented
  uint8_t* records = nullptr;  // (N, height, width, C)
  int32_t* labels = nullptr;
  int32_t* offsets = nullptr;  // (N, 2): top, left
  uint8_t* mirror = nullptr;
  float* color = nullptr;  // (N, C)
  void* memory = nullptr;  // all of it
};

struct BatchLayout {
  int capacity = 0;  // images
  RecordShape record;
  int64_t image_floats = 0;  // 0: no images
  bool records = false;

  size_t bytes() const;
  BatchBuffer place(void* memory) const;
};

class BatchBuffers {
 public:
  BatchBuffers(std::unique_ptr<Device> device, const BatchLayout& layout)
      : device_(std::move(device)), layout_(layout) {}
  ~BatchBuffers();
  BatchBuffers(const BatchBuffers&) = delete;

  const BatchLayout& layout() const { return layout_; }
  BatchBuffer* take();  // a free one, or a new one where all are in use
  void give_back(BatchBuffer* buffer);
  int made() const;

 private:
  std::unique_ptr<Device> device_;
  BatchLayout layout_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<BatchBuffer>> all_;
  std::vector<BatchBuffer*> free_;
};

}  // namespace alexnet
