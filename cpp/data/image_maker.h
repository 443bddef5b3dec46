// Makes one image of a batch: reads its record, draws for it, and augments it, in the calling
// thread.
#pragma once

#include <memory>
#include <vector>

#include "data/batch_buffers.h"
#include "data/draws.h"
#include "data/records.h"

namespace alexnet {

struct MeanImage {
  std::vector<float> values;  // (C, h, w) or, matched, (C, height, width); empty: none
  bool matched = false;       // the part under the window, mirrored with it
};

class ImageMaker {
 public:
  // `records`: null where they are put into the buffers by somebody else. `on_device`: draws only;
  // the network's device augments.
  ImageMaker(std::shared_ptr<const Records> records, const RecordShape& shape, ImageDraws draws,
             MeanImage mean, bool on_device);

  const RecordShape& shape() const { return shape_; }
  const ImageDraws& draws() const { return draws_; }
  bool reads() const { return records_ != nullptr; }
  int64_t scratch_bytes() const { return reads() && !on_device_ ? shape_.bytes() : 0; }

  // Image `image` of the buffer becomes record `index`, at `position` of the epoch.
  void make(const BatchBuffer& buffer, int image, int64_t index, int64_t epoch, int64_t position,
            uint8_t* scratch) const;

 private:
  void augment(const BatchBuffer& buffer, int image, const uint8_t* record, int64_t epoch) const;

  std::shared_ptr<const Records> records_;
  RecordShape shape_;
  ImageDraws draws_;
  MeanImage mean_;
  bool on_device_;
};

}  // namespace alexnet
