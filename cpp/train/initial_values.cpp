#include "train/initial_values.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace alexnet {
namespace {

constexpr int64_t kItem = 1 << 15;  // number of elements that a thread draws at a time
constexpr int64_t kBlock = 1 << 9;  // number of elements drawn as double before conversion

template <class T>
void draw_item(const InitialValues& v, int64_t first, int64_t count, T* out) {
  double draws[kBlock];
  for (int64_t at = 0; at < count; at += kBlock) {
    const int64_t n = std::min(kBlock, count - at);
    normals(v.site, 0, uint64_t(first + at), draws, size_t(n));
    for (int64_t i = 0; i < n; ++i) out[at + i] = T(v.mean) + T(v.deviation * draws[i]);
  }
}

// Joins the threads before the memory to which they write can be released.
struct Threads {
  std::vector<std::thread> all;
  ~Threads() {
    for (std::thread& thread : all) thread.join();
  }
};

}  // namespace

template <class T>
void InitialValues::draw(int64_t first, int64_t count, int threads, T* out) const {
  if (deviation == 0) {
    std::fill_n(out, count, T(mean));
    return;
  }
  const int64_t items = (count + kItem - 1) / kItem;
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t item; (item = next++) < items;)
      draw_item(*this, first + item * kItem, std::min(kItem, count - item * kItem),
                out + item * kItem);
  };
  Threads others;
  try {
    while (int64_t(others.all.size()) + 1 < std::min<int64_t>(threads, items))
      others.all.emplace_back(work);
  } catch (const std::system_error&) {  // no more threads: the existing ones do the work
  }
  work();
}

template void InitialValues::draw(int64_t, int64_t, int, float*) const;
template void InitialValues::draw(int64_t, int64_t, int, double*) const;

}  // namespace alexnet
