// Pinned memory that uploads read after they were enqueued. The simulator cannot observe writes of
// the host, but their effect: it computes a checksum when the upload is enqueued, when it reads,
// and when the host first knows from a wait that the upload is done.
#include <algorithm>
#include <cstring>
#include <list>

#include "sim.h"

namespace cuda_sim {
namespace {

uint64_t sum_of(const void* at, size_t bytes) {
  uint64_t sum = 0xcbf29ce484222325;
  for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(at) + i, std::min(sizeof(word), bytes - i));
    sum = (sum ^ word) * 0x100000001b3;
    sum ^= sum >> 29;
  }
  return sum;
}

std::mutex mutex;
std::list<std::shared_ptr<PinnedRead>>& waiting() {  // never destroyed: streams may end after it
  static auto* list = new std::list<std::shared_ptr<PinnedRead>>;
  return *list;
}

}  // namespace

PinnedRead::PinnedRead(const void* at, size_t bytes)
    : at_(at), bytes_(bytes), sum_(sum_of(at, bytes)) {}

std::shared_ptr<PinnedRead> PinnedRead::begin(const void* at, size_t bytes) {
  auto read = std::make_shared<PinnedRead>(at, bytes);
  const std::lock_guard lock(mutex);
  waiting().push_back(read);
  return read;
}

void PinnedRead::check() const {
  if (sum_of(at_, bytes_) != sum_)
    die("%zu bytes of pinned memory were changed before the host had waited for their upload",
        bytes_);
}

void PinnedRead::run(const Party& party) {
  check();
  const std::lock_guard lock(mutex);
  done_ = party.now();
}

void PinnedRead::end_known(const Clock& host) {
  const std::lock_guard lock(mutex);
  waiting().remove_if([&](const std::shared_ptr<PinnedRead>& read) {
    const bool known = read->done_.party >= 0 && read->done_.time <= host.of(read->done_.party);
    if (known) read->check();
    return known;
  });
}

void PinnedRead::check_free(const void* at, size_t bytes) {
  const std::lock_guard lock(mutex);
  const auto *begin = static_cast<const char*>(at), *end = begin + bytes;
  for (const auto& read : waiting()) {
    const auto* first = static_cast<const char*>(read->at_);
    if (first < end && begin < first + read->bytes_)
      die("pinned memory was freed before the host had waited for its upload");
  }
}

}  // namespace cuda_sim
