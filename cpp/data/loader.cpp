#include "data/loader.h"

#include <algorithm>

#include "core/backend.h"

namespace alexnet {
namespace {

constexpr int64_t kGrain = 1 << 16;  // bytes of records per work item; at least one record

double seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

BatchLayout layout_of(const RecordShape& shape, const LoaderOptions& o, const AugmentSettings& a,
                      bool python) {
  const int each = (o.batch_size + o.ranks - 1) / o.ranks;
  const int64_t window = int64_t(a.crop_height) * a.crop_width;
  return {each, shape, o.on_device ? 0 : shape.channels * window, o.on_device || python};
}

}  // namespace

Loader::Loader(std::shared_ptr<const Records> records, const RecordShape& shape,
               const int32_t* labels, int64_t count, const ImageDraws& draws, LoaderOptions options)
    : labels_(labels),
      count_(count),
      options_(std::move(options)),
      maker_(std::move(records), shape, draws, options_.mean, options_.on_device),
      order_site_{draws.seed(), site_of("data/order")},
      epoch_(options_.epoch),
      offset_(options_.offset) {
  const LoaderOptions& o = options_;
  require<ConfigError>(count > 0, "the data set has no images");
  require<ConfigError>(
      o.batch_size > 0 && o.prefetch > 0 && o.threads > 0 && o.threads <= 1024,
      "a loader needs a batch size, a prefetch and a number of threads of at least "
      "1 (threads: at most 1024), not {}, {} and {}",
      o.batch_size, o.prefetch, o.threads);
  require<ConfigError>(o.ranks > 0 && o.rank >= 0 && o.rank < o.ranks,
                       "rank {} of {} is not valid: ranks are 0 to ranks - 1", o.rank, o.ranks);
  require<ConfigError>(o.epoch >= 0 && o.offset >= 0 && o.offset <= count,
                       "epoch {}, image {} is not a valid start: the epoch must be at least 0, the "
                       "image 0 to {}",
                       o.epoch, o.offset, count);
  const DeviceId device = parse_device(o.device);
  buffers_ = std::make_shared<BatchBuffers>(backend(device.kind).make_device(device, 1),
                                            layout_of(shape, o, draws.settings(), !maker_.reads()));
  slots_.resize(size_t(o.prefetch) + 1);
  for (int i = 0; i < o.threads; ++i) threads_.emplace_back([this] { work(); });
}

Loader::~Loader() { close(); }

void Loader::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  work_.notify_all();
  ready_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

bool Loader::has_room() const {
  return !opening_ && failed_batch_ < 0 && opened_ - consumed_ < int64_t(slots_.size());
}

bool Loader::has_images() const {
  return issued_ < opened_ && slot(issued_).filled && issued_ != failed_batch_;
}

bool Loader::is_ready(int64_t number) const {
  return number < opened_ && slot(number).filled && slot(number).done == slot(number).batch.count;
}

int Loader::ready() const {
  int n = 0;
  while (is_ready(consumed_ + n)) ++n;
  return n;
}

void Loader::stop(std::exception_ptr error, int64_t batch) {
  if (failed_batch_ < 0 || batch < failed_batch_) {
    failed_batch_ = batch;
    error_ = std::move(error);
  }
  work_.notify_all();
  ready_.notify_all();
}

void Loader::wait_for_room(std::unique_lock<std::mutex>& lock) {
  // Time counts as waiting for room only while all producers wait: this loader's threads, or
  // Python.
  const int makers = maker_.reads() ? options_.threads : 1;
  if (++waiting_ == makers) idle_since_ = Clock::now();
  work_.wait(lock);
  if (waiting_-- == makers) producer_waited_ += seconds(Clock::now() - idle_since_);
}

void Loader::work() {
  std::vector<uint8_t> scratch(size_t(maker_.scratch_bytes()));
  std::unique_lock lock(mutex_);
  while (!closed_) {
    if (has_images())
      make_some(lock, scratch.data());
    else if (!maker_.reads())
      work_.wait(lock);
    else if (has_room())
      open(lock);
    else
      wait_for_room(lock);
  }
}

// The first position of this rank that is not before `first`.
int64_t Loader::own_position(int64_t first) const {
  return first + (options_.rank - first % options_.ranks + options_.ranks) % options_.ranks;
}

bool Loader::open(std::unique_lock<std::mutex>& lock) {
  const int64_t number = opened_;
  opening_ = true;
  lock.unlock();
  std::exception_ptr error;
  try {
    begin(slot(number));
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  opening_ = false;
  if (error) {
    stop(error, number);
    return false;
  }
  ++opened_;
  if (maker_.reads()) give_out(slot(number));
  return true;
}

void Loader::begin(Slot& s) {
  if (offset_ >= count_) {
    offset_ = 0;
    ++epoch_;
  }
  if (order_epoch_ != epoch_) {
    order_ = permutation(order_site_, uint64_t(epoch_), count_);
    order_epoch_ = epoch_;
  }
  const int64_t last = std::min(count_, offset_ + options_.batch_size);
  s.batch = {buffers_->take(),
             0,
             epoch_,
             offset_,
             last,
             maker_.draws().has_color(epoch_),
             maker_.draws().scale(epoch_)};
  s.indices.clear();
  for (int64_t position = own_position(offset_); position < last; position += options_.ranks) {
    const int64_t index = order_[size_t(position)];
    s.batch.buffer->labels[s.batch.count++] = labels_[index];
    s.indices.push_back(index);
  }
  s.filled = false;
  s.taken = s.done = 0;
  offset_ = last;
}

void Loader::give_out(Slot& s) {
  s.filled = true;
  pass_over_finished();
  work_.notify_all();
}

// Skips batches whose images have all been taken, including batches without images, which a rank
// may have at the end of an epoch.
void Loader::pass_over_finished() {
  while (has_images() && slot(issued_).taken == slot(issued_).batch.count) ++issued_;
  if (is_ready(consumed_)) ready_.notify_all();
}

void Loader::make_some(std::unique_lock<std::mutex>& lock, uint8_t* scratch) {
  const int64_t number = issued_;
  Slot& s = slot(number);
  const int first = s.taken;
  const int grain = int(std::max<int64_t>(1, kGrain / maker_.shape().bytes()));
  const int last = std::min(s.batch.count, first + grain);
  s.taken = last;
  pass_over_finished();
  lock.unlock();
  std::exception_ptr error;
  try {
    const int64_t start = own_position(s.batch.first);
    for (int image = first; image < last; ++image)
      maker_.make(*s.batch.buffer, image, s.indices[size_t(image)], s.batch.epoch,
                  start + int64_t(image) * options_.ranks, scratch);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (error) return stop(error, number);
  images_ += last - first;
  s.done += last - first;
  if (s.done == s.batch.count) ready_.notify_all();
}

bool Loader::next(LoadedBatch* out) {
  std::unique_lock lock(mutex_);
  const auto start = Clock::now();
  const auto failed = [&] { return failed_batch_ >= 0 && failed_batch_ <= consumed_; };
  ready_at_take_ += ready();
  ready_.wait(lock, [&] { return closed_ || is_ready(consumed_) || failed(); });
  consumer_waited_ += seconds(Clock::now() - start);
  if (closed_) return false;
  if (failed()) {
    if (error_) std::rethrow_exception(error_);
    return false;
  }
  *out = slot(consumed_).batch;
  ++consumed_;
  work_.notify_all();
  return true;
}

bool Loader::claim(LoadedBatch* out, std::vector<int64_t>* indices) {
  std::unique_lock lock(mutex_);
  while (!closed_ && failed_batch_ < 0 && !has_room()) wait_for_room(lock);
  if (closed_ || failed_batch_ >= 0 || !open(lock)) return false;
  *out = slot(opened_ - 1).batch;
  *indices = slot(opened_ - 1).indices;
  return true;
}

void Loader::hand_over() {
  const std::lock_guard lock(mutex_);
  give_out(slot(opened_ - 1));
}

void Loader::fail() {
  const std::lock_guard lock(mutex_);
  stop(nullptr, opened_ - (opened_ > 0 && !slot(opened_ - 1).filled ? 1 : 0));
}

LoaderMeter Loader::meter() const {
  const std::lock_guard lock(mutex_);
  LoaderMeter m;
  const auto now = Clock::now();
  m.elapsed = seconds(now - start_);
  m.consumer_waited = consumer_waited_;
  m.producer_waited = producer_waited_;
  if (waiting_ == (maker_.reads() ? options_.threads : 1))
    m.producer_waited += seconds(now - idle_since_);
  m.images = images_;
  m.taken = consumed_;
  m.ready_at_take = ready_at_take_;
  return m;
}

}  // namespace alexnet
