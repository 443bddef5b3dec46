// One replica's part in summing the gradients of all replicas: bucket by bucket on streams of its
// own, while the backward pass goes on.
//
// A gradient is a share, to which this replica adds and whose sum over the replicas counts, or
// whole: the sum itself, equal on all replicas. All replicas make the same calls in the same order,
// each from its own thread.
#pragma once

#include <deque>
#include <set>

#include "core/communicator.h"
#include "train/gradient_buckets.h"

namespace alexnet {

class GradientReducer final : public RunObserver {
 public:
  // A communicator for each device of the replica.
  GradientReducer(int rank, Parameters& parameters, const std::vector<Device*>& devices,
                  const std::vector<Stream*>& streams,
                  std::vector<std::unique_ptr<Communicator>> communicators);

  // Before a pass adds to the gradients: the whole ones become shares, that of rank 0 with the sum.
  void share();

  // begin, after for each instruction, finish: sums the gradients of what is trained, and the
  // changes of state, that are not whole. Null: no pass runs, they are complete.
  void begin(const Program* program);
  void after(int instruction) override;
  void finish();  // the network's streams wait for the sums
  void reduce(const std::string& name);

  bool is_whole(const std::string& name) const { return whole_.count(name) > 0; }
  void was_written(const std::string& name) { whole_.insert(name); }
  void were_updated();  // those of what is updated are zero

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
  std::vector<int> last_;                    // the instruction after which it is complete
  size_t next_ = 0;
  std::map<std::pair<size_t, size_t>, std::unique_ptr<Event>> complete_;  // by device and bucket
  std::vector<std::unique_ptr<Event>> done_;                              // by device
  std::deque<std::string> labels_;  // by bucket; they stay where they are
  std::set<std::string> whole_;
};

}  // namespace alexnet
