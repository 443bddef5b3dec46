// The built-in communicator: copies between devices and sums in rank order, on the streams of any
// back ends.
//
// The values of a call, concatenated, are cut into one slice per rank. Every rank sends its part of
// each slice to the slice's owner; the owner adds the parts and sends the sum to all ranks. A rank
// thus sends and receives 2 (ranks - 1) / ranks of the bytes, the minimum for any algorithm, and
// the result has the same bits in every run, on every machine and on every rank. Host threads only
// synchronise to exchange events; they never wait for the work.
#include <algorithm>

#include "core/barrier.h"
#include "core/communicator.h"
#include "core/tensor.h"
#include "ops/run.h"

namespace alexnet {
namespace {

constexpr int64_t kAlignment = 16;  // slices begin at multiples of this many elements

struct Slice {
  int64_t first = 0, last = 0;
  int64_t count() const { return last - first; }
};

Slice slice_of(int rank, int ranks, int64_t count) {
  const auto bound = [&](int r) {
    return r == ranks ? count : count * r / ranks / kAlignment * kAlignment;
  };
  return {bound(rank), bound(rank + 1)};
}

size_t parts_bytes(int ranks, size_t largest) {
  return size_t(ranks - 1) * (largest / size_t(ranks) + 2 * kAlignment * sizeof(double));
}

// Elements first .. first + count - 1 as one row.
AnyView range(AnyView view, int64_t first, int64_t count) {
  view.data = static_cast<char*>(view.data) + first * int64_t(size_of(view.dtype));
  view.shape = {1, 1, 1, int(count)};
  view.block = 1;
  return view;
}

struct Rank {
  Device* device = nullptr;
  Tensor parts;  // of this rank's slice, received from all other ranks
  std::span<const AnyView> values;
  std::unique_ptr<Event> sent;    // this rank's parts have been sent to all owners
  std::unique_ptr<Event> shared;  // the sum of this rank's slice has been sent to all ranks
};

struct Group {
  explicit Group(const std::vector<Device*>& devices, size_t largest)
      : largest(largest), barrier(int(devices.size())), ranks(devices.size()) {
    for (size_t r = 0; r < ranks.size(); ++r) {
      ranks[r].device = devices[r];
      const int64_t floats = int64_t(parts_bytes(int(ranks.size()), largest) / sizeof(float));
      ranks[r].parts = Tensor(*devices[r], {1, 1, 1, int(floats)}, DType::f32);
    }
  }
  const size_t largest;
  Barrier barrier;
  std::vector<Rank> ranks;
};

class BuiltIn final : public Communicator {
 public:
  BuiltIn(std::shared_ptr<Group> group, int rank)
      : group_(std::move(group)), rank_(rank), ranks_(int(group_->ranks.size())) {}

  void all_reduce(Stream& stream, std::span<const AnyView> values) override {
    int64_t count = 0, bytes = 0;
    for (const AnyView& v : values) count += v.shape.count(), bytes += v.bytes();
    require<InternalError>(size_t(bytes) <= group_->largest,
                           "all_reduce was called with {} bytes; it was made for at most {}", bytes,
                           group_->largest);
    if (count == 0 || ranks_ == 1) return;
    Rank& own = group_->ranks[size_t(rank_)];
    if (!own.sent) own.sent = stream.make_event(), own.shared = stream.make_event();
    own.values = values;

    for (int to = 0; to < ranks_; ++to)
      if (to != rank_) send_parts(stream, values, to, count);
    stream.record(*own.sent);
    group_->barrier.arrive_and_wait();
    for (Rank& other : group_->ranks)
      if (&other != &own) stream.wait(*other.sent);
    add_up(stream, values, count);
    stream.record(*own.shared);
    group_->barrier.arrive_and_wait();
    for (Rank& other : group_->ranks)
      if (&other != &own) stream.wait(*other.shared);
  }

  void abort() noexcept override { group_->barrier.abort(); }

 private:
  // Calls f(index, first element, count, offset in the slice) for the part of each value that is in
  // the slice.
  template <class F>
  static void each_in(const Slice& slice, std::span<const AnyView> values, F&& f) {
    int64_t start = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t end = start + values[i].shape.count();
      const int64_t first = std::max(start, slice.first), last = std::min(end, slice.last);
      if (first < last) f(i, first - start, last - first, first - slice.first);
      start = end;
    }
  }

  AnyView parts_of(int rank, DType dtype) const {
    AnyView parts = group_->ranks[size_t(rank)].parts.view();
    parts.dtype = dtype;
    return parts;
  }

  void send_parts(Stream& stream, std::span<const AnyView> values, int to, int64_t count) {
    const Slice slice = slice_of(to, ranks_, count);
    const int64_t place = (rank_ < to ? rank_ : rank_ - 1) * slice.count();
    each_in(slice, values, [&](size_t i, int64_t first, int64_t n, int64_t offset) {
      stream.copy(range(values[i], first, n),
                  range(parts_of(to, values[i].dtype), place + offset, n));
    });
  }

  void add_up(Stream& stream, std::span<const AnyView> values, int64_t count) {
    const Slice slice = slice_of(rank_, ranks_, count);
    each_in(slice, values, [&](size_t i, int64_t first, int64_t n, int64_t offset) {
      const AnyView sum = range(values[i], first, n);
      const AnyView parts = range(parts_of(rank_, sum.dtype), offset, n);
      if (sum.dtype == DType::f64) {
        run(stream, SumOfRanks<double>{rank_, ranks_, slice.count(), parts, sum});
      } else {
        run(stream, SumOfRanks<float>{rank_, ranks_, slice.count(), parts, sum});
      }
      for (int to = 0; to < ranks_; ++to)
        if (to != rank_) stream.copy(sum, range(group_->ranks[size_t(to)].values[i], first, n));
    });
  }

  std::shared_ptr<Group> group_;
  int rank_, ranks_;
};

std::vector<std::unique_ptr<Communicator>> make(const std::vector<Device*>& devices,
                                                size_t largest) {
  const auto group = std::make_shared<Group>(devices, largest);
  std::vector<std::unique_ptr<Communicator>> all;
  for (size_t r = 0; r < devices.size(); ++r)
    all.push_back(std::make_unique<BuiltIn>(group, int(r)));
  return all;
}

const CommunicatorApi api = {.name = kBuiltIn,
                             .title = [] { return std::string(kBuiltIn); },
                             .missing = [](const std::vector<DeviceId>&) { return std::string(); },
                             .make = &make,
                             .bytes = &parts_bytes};
[[maybe_unused]] const bool registered = (register_communicator(&api), true);

}  // namespace
}  // namespace alexnet
