// The thread pool of a CPU device.
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "backends/cpu/device/thread_pool.h"
#include "check.h"

using namespace alexnet;

ANX_TEST(every_item_runs_once_for_any_number_of_threads) {
  for (const int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    ANX_CHECK_EQUAL(pool.threads(), threads);
    for (const int64_t items : {0, 1, 2, 5, 1000}) {
      std::vector<int> seen(size_t(items), 0);  // no two threads write one element
      pool.parallel_for(items, [&](int64_t i, int) { ++seen[size_t(i)]; });
      for (const int times : seen) ANX_CHECK_EQUAL(times, 1);
    }
  }
}

ANX_TEST(thread_numbers_stay_below_the_pools_size_and_are_not_shared) {
  ThreadPool pool(4);
  std::vector<int64_t> per_thread(4,
                                  0);  // written without a lock: sharing a number would be a race
  pool.parallel_for(5000, [&](int64_t, int thread) { ++per_thread.at(size_t(thread)); });
  ANX_CHECK_EQUAL(std::accumulate(per_thread.begin(), per_thread.end(), int64_t(0)), 5000);
}

ANX_TEST(writes_of_a_run_are_visible_to_the_next) {
  ThreadPool pool(3);
  std::vector<int64_t> a(333, 0), b(333, 0);
  for (int round = 0; round < 100; ++round) {
    pool.parallel_for(333, [&](int64_t i, int) { b[size_t(i)] = a[size_t(332 - i)] + 1; });
    pool.parallel_for(333, [&](int64_t i, int) { a[size_t(i)] = b[size_t(332 - i)] + 1; });
  }
  for (const int64_t value : a) ANX_CHECK_EQUAL(value, 200);
}

ANX_TEST(an_exception_reaches_the_caller_and_the_pool_still_works) {
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 3; ++round) {
      ANX_CHECK_THROWS(std::runtime_error, "item 17", pool.parallel_for(100, [](int64_t i, int) {
        if (i == 17) throw std::runtime_error("item 17 cannot be done");
      }));
      std::atomic<int> count{0};
      pool.parallel_for(100, [&](int64_t, int) { ++count; });
      ANX_CHECK_EQUAL(count.load(), 100);
    }
  }
}

ANX_TEST(two_callers_share_a_pool) {
  ThreadPool pool(2);
  std::vector<int> first(500, 0), second(500, 0);
  const auto fill = [&pool](std::vector<int>& out) {
    for (int round = 0; round < 50; ++round)
      pool.parallel_for(int64_t(out.size()), [&](int64_t i, int) { ++out[size_t(i)]; });
  };
  std::thread other([&] { fill(second); });
  fill(first);
  other.join();
  for (size_t i = 0; i < first.size(); ++i) {
    ANX_CHECK_EQUAL(first[i], 50);
    ANX_CHECK_EQUAL(second[i], 50);
  }
}
