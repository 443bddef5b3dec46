// The reusable buffers of batches. They outlive the loader as long as a batch uses one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/device.h"
#include "data/records.h"

namespace alexnet {

// Host memory that the device accesses directly. Parts that a batch does not use are null.
struct BatchBuffer {
  float* images = nullptr;     // (N, C, h, w), augmented
  uint8_t* records = nullptr;  // (N, height, width, C)
  int32_t* labels = nullptr;
  int32_t* offsets = nullptr;  // (N, 2): top, left
  uint8_t* mirror = nullptr;
  float* color = nullptr;  // (N, C)
  void* memory = nullptr;  // the allocation that contains all parts
};

struct BatchLayout {
  int capacity = 0;  // number of images
  RecordShape record;
  int64_t image_floats = 0;  // floats of an augmented image; 0: the buffer has no `images`
  bool records = false;      // whether the buffer has `records`

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
  BatchBuffer* take();  // a free buffer, or a new one if all are in use
  void give_back(BatchBuffer* buffer);
  int made() const;  // number of buffers allocated so far

 private:
  std::unique_ptr<Device> device_;
  BatchLayout layout_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<BatchBuffer>> all_;
  std::vector<BatchBuffer*> free_;
};

}  // namespace alexnet
