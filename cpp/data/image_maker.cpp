#include "data/image_maker.h"

#include <cstring>

#include "core/errors.h"
#include "ops/run.h"

namespace alexnet {

ImageMaker::ImageMaker(std::shared_ptr<const Records> records, const RecordShape& shape,
                       ImageDraws draws, MeanImage mean, bool on_device)
    : records_(std::move(records)),
      shape_(shape),
      draws_(std::move(draws)),
      mean_(std::move(mean)),
      on_device_(on_device) {
  const AugmentSettings& a = draws_.settings();
  require<ShapeError>(a.first_y + a.positions_y - 1 + a.crop_height <= shape.height &&
                          a.first_x + a.positions_x - 1 + a.crop_width <= shape.width &&
                          a.crop_height > 0 && a.crop_width > 0,
                      "crop windows of {}x{} do not fit into images of {}x{} at all offsets",
                      a.crop_height, a.crop_width, shape.height, shape.width);
  const int64_t area =
      mean_.matched ? int64_t(shape.height) * shape.width : int64_t(a.crop_height) * a.crop_width;
  require<ShapeError>(mean_.values.empty() || int64_t(mean_.values.size()) == shape.channels * area,
                      "the mean image has {} values; {} are needed", mean_.values.size(),
                      shape.channels * area);
}

void ImageMaker::make(const BatchBuffer& b, int image, int64_t index, int64_t epoch,
                      int64_t position, uint8_t* scratch) const {
  int32_t* offset = b.offsets + 2 * image;
  draws_.window(epoch, position, offset);
  b.mirror[image] = draws_.mirrored(epoch, position);
  if (draws_.has_color(epoch)) draws_.color(epoch, position, b.color + image * shape_.channels);

  uint8_t* own = b.records ? b.records + image * shape_.bytes() : nullptr;
  if (!on_device_)
    return augment(
        b, image,
        reads() ? records_->read(index, offset[0], draws_.settings().crop_height, scratch) : own,
        epoch);
  if (!reads()) return;
  const uint8_t* record = records_->read(index, 0, shape_.height, own);
  if (record != own) std::memcpy(own, record, size_t(shape_.bytes()));
}

void ImageMaker::augment(const BatchBuffer& b, int image, const uint8_t* record,
                         int64_t epoch) const {
  const AugmentSettings& a = draws_.settings();
  const int c = shape_.channels, height = shape_.height, width = shape_.width;
  const Shape window{1, c, a.crop_height, a.crop_width}, whole{1, c, height, width};
  Augment<float> op;
  op.height = height;
  op.width = width;
  op.scale = draws_.scale(epoch);
  op.images = {record, {1, height, width, c}, {}};
  op.offsets = {b.offsets + 2 * image, {1, 2, 1, 1}, {}};
  op.mirror = {b.mirror + image, {1, 1, 1, 1}, {}};
  if (draws_.has_color(epoch)) op.color = {b.color + image * c, {1, c, 1, 1}, {}};
  op.mean_matched = mean_.matched;
  if (!mean_.values.empty()) op.mean = {mean_.values.data(), mean_.matched ? whole : window, {}};
  op.out = {b.images + image * window.count(), window, {}};
  run_here(op);
}

}  // namespace alexnet
