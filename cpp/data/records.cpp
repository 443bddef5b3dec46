#include "data/records.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/errors.h"

namespace alexnet {
namespace {

class MemoryRecords final : public Records {
 public:
  MemoryRecords(const RecordShape& shape, int64_t count, const uint8_t* data)
      : Records(shape, count), data_(data) {}

  const uint8_t* read(int64_t index, int, int, uint8_t*) const override {
    return data_ + index * shape().bytes();
  }

 private:
  const uint8_t* data_;
};

class FileRecords final : public Records {
 public:
  FileRecords(const RecordShape& shape, int64_t count, const std::vector<std::string>& files,
              int64_t each)
      : Records(shape, count), each_(each) {
    require<ConfigError>(each > 0 && int64_t(files.size()) == (count + each - 1) / each,
                         "{} records at {} per file do not need {} files", count, each,
                         files.size());
    for (const std::string& name : files) files_.emplace_back(name);
  }

  const uint8_t* read(int64_t index, int first, int rows, uint8_t* scratch) const override {
    const File& file = files_[size_t(index / each_)];
    const int64_t begin = first * shape().row_bytes(), bytes = rows * shape().row_bytes();
    const int64_t place = index % each_ * shape().bytes() + begin;
    for (int64_t done = 0; done < bytes;) {
      const ssize_t got =
          pread(file.descriptor, scratch + begin + done, size_t(bytes - done), off_t(place + done));
      if (got < 0 && errno == EINTR) continue;
      require<ConfigError>(got >= 0, "record {} of {} cannot be read: {}", index % each_, file.name,
                           std::strerror(errno));
      require<ConfigError>(got > 0, "{} ends before record {}: prepare the data set again",
                           file.name, index % each_);
      done += got;
    }
    return scratch;
  }

 private:
  struct File {
    std::string name;
    int descriptor;

    explicit File(const std::string& path)
        : name(path), descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
      require<ConfigError>(descriptor >= 0, "{} cannot be opened: {}", path, std::strerror(errno));
#if defined(POSIX_FADV_RANDOM)
      posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);  // no read-ahead: the order is random
#endif
    }
    File(File&& other) noexcept : name(std::move(other.name)), descriptor(other.descriptor) {
      other.descriptor = -1;
    }
    ~File() {
      if (descriptor >= 0) close(descriptor);
    }
  };

  std::vector<File> files_;
  int64_t each_;
};

}  // namespace

std::unique_ptr<Records> records_in_memory(const RecordShape& shape, int64_t count,
                                           const uint8_t* data) {
  return std::make_unique<MemoryRecords>(shape, count, data);
}

std::unique_ptr<Records> records_in_files(const RecordShape& shape, int64_t count,
                                          const std::vector<std::string>& files, int64_t each) {
  return std::make_unique<FileRecords>(shape, count, files, each);
}

}  // namespace alexnet
