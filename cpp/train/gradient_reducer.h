// Sums the gradients of all replicas, for one replica: bucket by bucket on separate streams, while
// the backward pass continues.
//
// A gradient is either a share, to which this replica adds and which must still be summed over the
// replicas, or whole: the sum itself, equal on all replicas. All replicas must make the same calls
// in the same order, each from its own thread.
#pragma once

#include <deque>
#include <set>

#include "core/communicator.h"
#include "train/gradient_buckets.h"

namespace alexnet {

class GradientReducer final : public RunObserver {
 public:
  // `communicators`: one for each device of the replica.
  GradientReducer(int rank, Parameters& parameters, const std::vector<Device*>& devices,
                  const std::vector<Stream*>& streams,
                  std::vector<std::unique_ptr<Communicator>> communicators);

  // Call it before a pass adds to the gradients. Turns whole gradients into shares: the sum on rank
  // 0, zero on the others.
  void share();

  // begin(), after() for each instruction and finish() sum the gradients of trained parameters and
  // the changes of state that are not whole. program = null: no pass runs; they are complete.
  void begin(const Program* program);
  void after(int instruction) override;
  void finish();  // makes the network's streams wait for the sums
  void reduce(const std::string& name);

  bool is_whole(const std::string& name) const { return whole_.count(name) > 0; }
  void was_written(const std::string& name) { whole_.insert(name); }
  void were_updated();  // marks the gradients of what was updated as shares, which are now zero

  void abort() noexcept;
  void synchronize();
  const std::vector<Stream*>& streams() const { return own_; }

 private:
  void begin(const std::vector<std::string>& names, const Program* program);
  void enqueue(size_t bucket);

  const int rank_;
  Parameters& parameters_;
  std::vector<Stream*> network_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
  std::vector<std::unique_ptr<Stream>> owned_;
  std::vector<Stream*> own_;
  std::vector<GradientBucket> buckets_;
  std::vector<std::vector<AnyView>> views_;  // by bucket
  std::vector<int> last_;                    // by bucket: the instruction that completes it
  size_t next_ = 0;
  std::map<std::pair<size_t, size_t>, std::unique_ptr<Event>> complete_;  // by device and bucket
  std::vector<std::unique_ptr<Event>> done_;                              // by device
  std::deque<std::string> labels_;  // by bucket; a deque, because streams keep pointers to them
  std::set<std::string> whole_;
};

}  // namespace alexnet
