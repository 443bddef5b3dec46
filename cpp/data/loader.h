// Makes training batches ahead of their use, on its own threads.
//
// Threads take images one after the other, in the order of the epoch and across batch boundaries.
// For each image they read its record, draw its crop, mirroring and color shift, and augment it
// into the batch's buffer (unless the network's device augments). The contents of a batch depend
// only on the seed and its position.
//
// If Python makes the records, it claims a batch, writes the records into its buffer and hands it
// over; everything else is the same.
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
  int prefetch = 3;    // number of batches made ahead
  int threads = 1;
  int rank = 0, ranks = 1;        // rank r gets positions r, r + ranks, ... of each epoch
  int64_t epoch = 0, offset = 0;  // first position to load
  MeanImage mean;
  bool on_device = false;  // the network's device augments; batches hold records and draws
  std::string device = "cpu:0";
};

struct LoadedBatch {
  BatchBuffer* buffer = nullptr;
  int count = 0;                           // number of images of this rank
  int64_t epoch = 0, first = 0, last = 0;  // positions first .. last - 1 of the epoch, all ranks
  bool has_color = false;
  float scale = 1;
};

struct LoaderMeter {  // totals since the start, times in seconds
  double elapsed = 0;
  double consumer_waited = 0;     // time next() waited for a batch
  double producer_waited = 0;     // time the producers waited for room
  int64_t images = 0, taken = 0;  // number of images made, of batches returned by next()
  int64_t ready_at_take = 0;      // number of batches ready at each call of next(), summed
};

class Loader {
 public:
  // `records`: null if Python makes them. `shape`: shape of a record. `labels`: `count` values,
  // borrowed.
  Loader(std::shared_ptr<const Records> records, const RecordShape& shape, const int32_t* labels,
         int64_t count, const ImageDraws& draws, LoaderOptions options);
  ~Loader();

  // Blocks until the next batch is ready. The caller must give its buffer back. Returns false if
  // the loader is closed, or if Python failed to make the batch. If a thread failed, earlier
  // batches are returned first; then its exception is rethrown.
  bool next(LoadedBatch* out);
  void close();  // blocks until the threads have stopped
  LoaderMeter meter() const;
  const std::shared_ptr<BatchBuffers>& buffers() const { return buffers_; }
  const RecordShape& shape() const { return maker_.shape(); }
  const ImageDraws& draws() const { return maker_.draws(); }

  // For records made by Python. claim() blocks until there is room for a batch, and returns false
  // if the loader is closed or has failed. `indices`: the records to write into the batch's buffer.
  bool claim(LoadedBatch* out, std::vector<int64_t>* indices);
  void hand_over();  // the claimed batch's records are complete
  void fail();       // they cannot be made: next() returns false after the batches before

 private:
  using Clock = std::chrono::steady_clock;
  struct Slot {
    LoadedBatch batch;
    std::vector<int64_t> indices;
    bool filled = false;  // threads may take its images
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
  // These release the lock while they work or wait.
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
  std::vector<Slot> slots_;  // batch b is in slot b % size
  // Number of batches begun, of batches whose images have all been taken, and of batches returned.
  int64_t opened_ = 0, issued_ = 0, consumed_ = 0;
  int64_t epoch_, offset_;  // of the next batch to open
  std::vector<int64_t> order_;
  int64_t order_epoch_ = -1;
  bool opening_ = false, closed_ = false;
  std::exception_ptr error_;   // null if the error occurred in Python
  int64_t failed_batch_ = -1;  // the first batch that cannot be made; -1: none

  Clock::time_point start_ = Clock::now(), idle_since_;
  double consumer_waited_ = 0, producer_waited_ = 0;
  int waiting_ = 0;  // number of producers that wait for room
  int64_t images_ = 0, ready_at_take_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace alexnet
