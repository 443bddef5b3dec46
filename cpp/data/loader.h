// Makes training batches ahead of their use, on threads of its own.
//
// Threads take images one after the other, in the epoch's order, across the bounds of batches: each
// reads a record, draws its window, mirroring and color, and augments it into the batch's buffer
// (or leaves that to the network's device). What a batch holds depends on seed and position alone.
//
// Where Python makes the records, it claims a batch, fills in its records and hands it over; all
// else is the same.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <thread>

#include "data/batch_buffers.h"
#include "data/image_maker.h"

namespace alexnet {

struct LoaderOptions {
  int batch_size = 1;  // of all ranks together
  int prefetch = 3;    // batches made ahead
  int threads = 1;
  int rank = 0, ranks = 1;        // rank r has the positions r, r + ranks, ... of each epoch
  int64_t epoch = 0, offset = 0;  // where to start
  MeanImage mean;
  bool on_device = false;  // the network's device augments: batches hold records and draws
  std::string device = "cpu:0";
};

struct LoadedBatch {
  BatchBuffer* buffer = nullptr;
  int count = 0;                           // images of this rank
  int64_t epoch = 0, first = 0, last = 0;  // positions in the epoch, of all ranks
  bool has_color = false;
  float scale = 1;
};

struct LoaderMeter {  // since the start; seconds
  double elapsed = 0;
  double consumer_waited = 0;     // for a batch
  double producer_waited = 0;     // for room
  int64_t images = 0, taken = 0;  // images made, batches taken
  int64_t ready_at_take = 0;      // batches that were ready at each take, summed
};

class Loader {
 public:
  // `records`: null where Python makes them; `shape` is theirs. `labels`: borrowed, `count` of
  // them.
  Loader(std::shared_ptr<const Records> records, const RecordShape& shape, const int32_t* labels,
         int64_t count, const ImageDraws& draws, LoaderOptions options);
  ~Loader();

  // The next batch, whose buffer becomes the caller's, to be given back. False: closed. Waits;
  // rethrows what a thread failed with, after the batches before it.
  bool next(LoadedBatch* out);
  void close();  // waits for what is being made
  LoaderMeter meter() const;
  const std::shared_ptr<BatchBuffers>& buffers() const { return buffers_; }
  const RecordShape& shape() const { return maker_.shape(); }
  const ImageDraws& draws() const { return maker_.draws(); }

  // For records that Python makes. claim() waits for room; false: closed. `indices`: of the
  // records that belong into the batch's buffer.
  bool claim(LoadedBatch* out, std::vector<int64_t>* indices);
  void hand_over();
  void fail();  // instead: next() ends after the batches before

 private:
  using Clock = std::chrono::steady_clock;
  struct Slot {
    LoadedBatch batch;
    std::vector<int64_t> indices;
    bool filled = false;  // its images may be taken by the threads
    int taken = 0, done = 0;
  };

  Slot& slot(int64_t number) { return slots_[size_t(number) % slots_.size()]; }
  const Slot& slot(int64_t number) const { return slots_[size_t(number) % slots_.size()]; }
  bool has_room() const;
  bool has_images() const;
  bool is_ready(int64_t number) const;
  int ready() const;
  int64_t own_position(int64_t first) const;
  void work();
  // These unlock in between.
  bool open(std::unique_lock<std::mutex>& lock);
  void make_some(std::unique_lock<std::mutex>& lock, uint8_t* scratch);
  void wait_for_room(std::unique_lock<std::mutex>& lock);
  void begin(Slot& slot);
  void give_out(Slot& slot);
  void pass_over_finished();
  void stop(std::exception_ptr error, int64_t batch);

  const int32_t* labels_;
  int64_t count_;
  LoaderOptions options_;
  ImageMaker maker_;
  RandomSite order_site_;
  std::shared_ptr<BatchBuffers> buffers_;

  mutable std::mutex mutex_;
  std::condition_variable work_, ready_;
  std::vector<Slot> slots_;                         // batch b lies in slot b % size
  int64_t opened_ = 0, issued_ = 0, consumed_ = 0;  // batches: begun, all images taken, given out
  int64_t epoch_, offset_;                          // of the next batch to open
  std::vector<int64_t> order_;
  int64_t order_epoch_ = -1;
  bool opening_ = false, closed_ = false;
  std::exception_ptr error_;   // null where Python has it
  int64_t failed_batch_ = -1;  // the first that cannot be made

  Clock::time_point start_ = Clock::now(), idle_since_;
  double consumer_waited_ = 0, producer_waited_ = 0;
  int waiting_ = 0;  // threads that wait for room
  int64_t images_ = 0, ready_at_take_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace alexnet
