// NCCL's all-reduce, enqueued on the streams of all ranks. NCCL chooses the order of the sums: all
// ranks of a call get the same bits, but with three ranks or more they differ from those of the
// built-in communicator, and where network switches do the additions they may differ between runs.
#include "backends/cuda/nccl_communicator.h"

#include <atomic>
#include <mutex>
#include <set>

#include "backends/cuda/check.h"
#include "backends/cuda/cuda_stream.h"
#include "backends/cuda/nccl_library.h"
#include "core/barrier.h"

namespace alexnet {
namespace {

class Group {
 public:
  explicit Group(const std::vector<Device*>& devices)
      : barrier(int(devices.size())), comms_(devices.size()) {
    std::vector<int> indices;
    for (const Device* device : devices) indices.push_back(device->id().index);
    const OnDevice here(indices[0]);
    ANX_NCCL(ncclCommInitAll, comms_.data(), int(indices.size()), indices.data());
  }
  ~Group() {
    for (const NcclComm comm : comms_)
      if (comm) nccl().ncclCommDestroy(comm);
  }
  Group(const Group&) = delete;

  NcclComm comm(int rank) const { return comms_[size_t(rank)]; }

  void has_failed() { failed_ = true; }
  // After an error in NCCL, also aborts its communicators: some ranks may be waiting in a
  // collective that the other ranks never start.
  void abort() noexcept {
    barrier.abort();
    if (!failed_) return;
    const std::lock_guard lock(mutex_);
    for (NcclComm& comm : comms_) {
      if (comm) nccl().ncclCommAbort(comm);
      comm = nullptr;
    }
  }

  Barrier barrier;

 private:
  std::mutex mutex_;
  std::atomic<bool> failed_ = false;
  std::vector<NcclComm> comms_;
};

class NcclRank final : public Communicator {
 public:
  NcclRank(std::shared_ptr<Group> group, int rank)
      : group_(std::move(group)), comm_(group_->comm(rank)) {}

  void all_reduce(Stream& stream, std::span<const AnyView> values) override {
    uint64_t key = key_of(8, this);
    for (const AnyView& v : values) key = key_of(key, v.data, v.bytes(), v.dtype);
    // Either all ranks call NCCL or none: a single rank would wait there for the other ranks.
    group_->barrier.arrive_and_wait();
    try {
      static_cast<CudaStream&>(stream).fixed(key, "nccl",
                                             [&](cudaStream_t on) { enqueue(values, on); });
    } catch (...) {
      group_->has_failed();
      throw;
    }
  }

  void abort() noexcept override { group_->abort(); }

 private:
  // All values in one NCCL group, which runs as one kernel.
  void enqueue(std::span<const AnyView> values, cudaStream_t stream) {
    ANX_NCCL(ncclGroupStart);
    int result = kNcclSuccess;
    for (const AnyView& v : values)
      if (result == kNcclSuccess)
        result = nccl().ncclAllReduce(v.data, v.data, size_t(v.shape.count()),
                                      v.dtype == DType::f64 ? kNcclFloat64 : kNcclFloat32, kNcclSum,
                                      comm_, stream);
    const int ended = nccl().ncclGroupEnd();  // also after an error, for this thread's later calls
    check_nccl(result, "ncclAllReduce");
    check_nccl(ended, "ncclGroupEnd");
  }

  std::shared_ptr<Group> group_;
  NcclComm comm_;
};

std::string title() { return format("NCCL {}", nccl().version); }

std::string missing(const std::vector<DeviceId>& devices) {
  std::string why;
  if (!find_nccl(why))
    return format(
        "NCCL cannot be used: {}: run pip install \"alexnet-native[cuda]\", or use the "
        "communicator {}",
        why, kBuiltIn);
  std::set<int> seen;
  for (const DeviceId& device : devices)
    if (!seen.insert(device.index).second)
      return format(
          "NCCL needs a different GPU for each rank, but {} is listed twice: use the "
          "communicator {}",
          to_string(device), kBuiltIn);
  return "";
}

std::vector<std::unique_ptr<Communicator>> make(const std::vector<Device*>& devices, size_t) {
  const auto group = std::make_shared<Group>(devices);
  std::vector<std::unique_ptr<Communicator>> all;
  for (size_t r = 0; r < devices.size(); ++r)
    all.push_back(std::make_unique<NcclRank>(group, int(r)));
  return all;
}

}  // namespace

const CommunicatorApi kNcclCommunicator = {
    .name = "nccl", .title = &title, .missing = &missing, .make = &make, .bytes = [](int, size_t) {
      return size_t(0);
    }};

}  // namespace alexnet
