// The pixels of training images: uint8 records of one shape, read by index.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace alexnet {

struct RecordShape {  // interleaved: (height, width, channels)
  int height = 0, width = 0, channels = 0;

  int64_t row_bytes() const { return int64_t(width) * channels; }
  int64_t bytes() const { return height * row_bytes(); }
};

class Records {
 public:
  Records(const RecordShape& shape, int64_t count) : shape_(shape), count_(count) {}
  virtual ~Records() = default;

  const RecordShape& shape() const { return shape_; }
  int64_t count() const { return count_; }

  // Returns a pointer to the first pixel of a record; only rows first .. first + rows - 1 may be
  // read. The pointer is into the source or into `scratch`, which must have room for one record.
  // May be called from any thread.
  virtual const uint8_t* read(int64_t index, int first, int rows, uint8_t* scratch) const = 0;

 private:
  RecordShape shape_;
  int64_t count_;
};

// Records in borrowed memory.
std::unique_ptr<Records> records_in_memory(const RecordShape& shape, int64_t count,
                                           const uint8_t* data);

// Records in files of `each` records; the last file holds the remainder. The files are read, not
// mapped: mapped pages would count as memory of the process up to the size of the data set, access
// to them is slower once the data set exceeds the reach of the TLB, and a disk error would kill the
// process instead of giving an error message.
std::unique_ptr<Records> records_in_files(const RecordShape& shape, int64_t count,
                                          const std::vector<std::string>& files, int64_t each);

}  // namespace alexnet
