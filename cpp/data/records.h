// Where the pixels of training images lie: uint8 records of one shape, by index.
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

  // The first pixel of a record of which rows first .. first + rows - 1 can be read: where it lies,
  // or in `scratch`, which has room for a record. From any thread.
  virtual const uint8_t* read(int64_t index, int first, int rows, uint8_t* scratch) const = 0;

 private:
  RecordShape shape_;
  int64_t count_;
};

// Borrowed memory.
std::unique_ptr<Records> records_in_memory(const RecordShape& shape, int64_t count,
                                           const uint8_t* data);

// Files of `each` records, the last one with what is left. They are read, not mapped: mapped pages
// would count as memory of the process up to the size of the set, an access to them is slower once
// the set is larger than what the processor's address caches reach, and a damaged disk would end
// the process instead of giving a sentence.
std::unique_ptr<Records> records_in_files(const RecordShape& shape, int64_t count,
                                          const std::vector<std::string>& files, int64_t each);

}  // namespace alexnet
