// Makes one image of a batch in the calling thread: reads its record, draws its crop, mirroring and
// color shift, and augments it.
#pragma once

#include <memory>
#include <vector>

#include "data/batch_buffers.h"
#include "data/draws.h"
#include "data/records.h"

namespace alexnet {

struct MeanImage {
  std::vector<float> values;  // (C, h, w), or (C, height, width) if `matched`; empty: no mean
  bool matched = false;       // subtract the part of the mean inside the crop window, mirrored too
};

class ImageMaker {
 public:
  // `records`: null if the caller writes the records into the buffers. `on_device`: images are not
  // augmented here but on the network's device.
  ImageMaker(std::shared_ptr<const Records> records, const RecordShape& shape, ImageDraws draws,
             MeanImage mean, bool on_device);

  const RecordShape& shape() const { return shape_; }
  const ImageDraws& draws() const { return draws_; }
  bool reads() const { return records_ != nullptr; }
  int64_t scratch_bytes() const { return reads() && !on_device_ ? shape_.bytes() : 0; }

  // Makes image `image` of the buffer from record `index`, which is at `position` of the epoch.
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
