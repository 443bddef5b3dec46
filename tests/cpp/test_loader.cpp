// Augmentation for every instruction set against the op, and the loader's threads. Images end where
// their memory ends, so that the sanitizers detect reads past the end.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "backends/cpu/kernels.h"
#include "check.h"
#include "data/loader.h"

using namespace alexnet;

namespace {

std::vector<const KernelTable*> tables() {
  std::vector<const KernelTable*> all = {&kernels_generic};
#if defined(ANX_X86_KERNELS)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(&kernels_avx2);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    all.push_back(&kernels_avx512);
#endif
  return all;
}

std::vector<uint8_t> pixels(int64_t count) {
  std::vector<uint8_t> a(static_cast<size_t>(count));
  for (size_t i = 0; i < a.size(); ++i) a[i] = uint8_t(i * 2654435761u >> 13);
  return a;
}

std::vector<float> numbers(int64_t count) {
  std::vector<float> a(static_cast<size_t>(count));
  for (size_t i = 0; i < a.size(); ++i) a[i] = float(i * 2654435761u % 255u) + 0.37f;
  return a;
}

struct Case {
  int n, c, height, width, h, w;
  bool matched, mean, color;
};

void check_augment(const Case& k) {
  const auto images = pixels(int64_t(k.n) * k.height * k.width * k.c);
  const auto mean = numbers(int64_t(k.c) * (k.matched ? k.height * k.width : k.h * k.w));
  const auto color = numbers(int64_t(k.n) * k.c);
  std::vector<int32_t> offsets;
  std::vector<uint8_t> mirror;
  for (int i = 0; i < k.n; ++i) {  // the corners, and positions between them
    offsets.push_back(i % 2 ? k.height - k.h : i % (k.height - k.h + 1));
    offsets.push_back(i % 3 ? k.width - k.w : i % (k.width - k.w + 1));
    mirror.push_back(uint8_t(i / 2 % 2));
  }
  const Shape out{k.n, k.c, k.h, k.w};
  constexpr size_t line = 64;  // non-temporal stores need aligned memory
  const auto aligned = [&] {
    const size_t bytes = size_t(out.count()) * sizeof(float);
    return static_cast<float*>(std::aligned_alloc(line, (bytes + line - 1) / line * line));
  };
  Augment<float> op;
  op.height = k.height;
  op.width = k.width;
  op.mean_matched = k.matched;
  op.scale = 1 / 1.1f;
  op.images = {images.data(), {k.n, k.height, k.width, k.c}, {}};
  op.offsets = {offsets.data(), {k.n, 2, 1, 1}, {}};
  op.mirror = {mirror.data(), {k.n, 1, 1, 1}, {}};
  if (k.mean)
    op.mean = {mean.data(), {1, k.c, k.matched ? k.height : k.h, k.matched ? k.width : k.w}, {}};
  if (k.color) op.color = {color.data(), {k.n, k.c, 1, 1}, {}};
  float *want = aligned(), *got = aligned();
  op.out = {want, out, {}};
  for (int64_t row = 0; row < op.grid().rows; ++row)
    for (int64_t col = 0; col < op.grid().cols; ++col) op(row, col);
  op.out.data = got;
  ThreadPool pool(2);
  for (const KernelTable* table : tables()) {
    std::fill_n(got, out.count(), -1e9f);
    table->launch[op_index<Augment<float>>](&op, op.grid(), pool);
    for (int64_t i = 0; i < out.count(); ++i) ANX_CHECK_EQUAL(got[i], want[i]);
  }
  std::free(want);
  std::free(got);
}

// A loader of 23 images of 5 x 6 pixels, whose labels are their indices.
struct Small {
  static constexpr int count = 23;
  RecordShape shape{5, 6, 3};
  std::vector<uint8_t> images = pixels(count * 90);
  std::vector<int32_t> labels;
  LoaderOptions options;

  Small() {
    for (int i = 0; i < count; ++i) labels.push_back(i);
    options.batch_size = 4;
    options.threads = 3;
  }
  static ImageDraws draws() {
    AugmentSettings a;
    a.crop_height = a.crop_width = 4;
    a.positions_y = 2;
    a.positions_x = 3;
    a.mirror = true;
    a.axes = {1, 0, 0, 0, 2, 0, 0, 0, 3};
    a.color_epochs = 2;
    return {a, 3, 11};
  }
  std::unique_ptr<Loader> loader(std::shared_ptr<const Records> records) const {
    return std::make_unique<Loader>(std::move(records), shape, labels.data(), count, draws(),
                                    options);
  }
  std::vector<float> pixels_of(Loader& loader, int batches) const {
    std::vector<float> all;
    for (int i = 0; i < batches; ++i) {
      LoadedBatch b;
      ANX_CHECK(loader.next(&b));
      all.insert(all.end(), b.buffer->images, b.buffer->images + b.count * 48);
      all.insert(all.end(), b.buffer->labels, b.buffer->labels + b.count);
      loader.buffers()->give_back(b.buffer);
    }
    return all;
  }
};

struct File {
  std::string name = "anx-loader-records";
  explicit File(const std::vector<uint8_t>& bytes) {
    std::ofstream(name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  }
  ~File() { std::remove(name.c_str()); }
};

}  // namespace

ANX_TEST(augmentation_matches_the_op_bitwise_for_every_instruction_set) {
  for (const bool matched : {true, false})
    for (const bool mean : {true, false})
      for (const bool color : {true, false}) {
        check_augment({5, 3, 21, 40, 17, 32, matched, mean, color});
        check_augment({5, 3, 20, 37, 20, 37, matched, mean, color});  // the whole image
        check_augment({4, 3, 9, 19, 5, 17, matched, mean, color});
        check_augment({4, 3, 9, 7, 5, 3, matched, mean, color});  // narrower than a vector
        check_augment({3, 1, 9, 19, 5, 17, matched, mean, color});
      }
  check_augment({4, 3, 180, 176, 176, 160, true, true, true});  // with non-temporal stores
  check_augment({4, 3, 180, 176, 176, 160, false, true, true});
}

ANX_TEST(batches_are_the_same_from_memory_and_files_for_any_number_of_threads) {
  Small small;
  const File file(small.images);
  std::vector<float> first;
  for (const int threads : {1, 4}) {
    small.options.threads = threads;
    for (const bool files : {false, true}) {
      const std::shared_ptr<const Records> records =
          files ? records_in_files(small.shape, Small::count, {file.name}, 30)
                : records_in_memory(small.shape, Small::count, small.images.data());
      const auto got = small.pixels_of(*small.loader(records), 20);
      if (first.empty()) first = got;
      ANX_CHECK(got == first);
    }
  }
}

ANX_TEST(a_loader_can_be_closed_early) {
  const Small small;
  for (int taken = 0; taken < 6; ++taken) {
    const auto loader =
        small.loader(records_in_memory(small.shape, Small::count, small.images.data()));
    small.pixels_of(*loader, taken);
    loader->close();
    LoadedBatch b;
    ANX_CHECK(!loader->next(&b));
  }
}

ANX_TEST(records_made_by_another_thread_arrive_in_order) {
  const Small small;
  const auto want = small.pixels_of(
      *small.loader(records_in_memory(small.shape, Small::count, small.images.data())), 12);
  const auto loader = small.loader(nullptr);
  std::thread maker([&] {
    LoadedBatch b;
    std::vector<int64_t> indices;
    while (loader->claim(&b, &indices)) {
      for (size_t i = 0; i < indices.size(); ++i)
        std::copy_n(small.images.data() + 90 * indices[i], 90, b.buffer->records + 90 * i);
      loader->hand_over();
    }
  });
  ANX_CHECK(small.pixels_of(*loader, 12) == want);
  loader->close();
  maker.join();
}

ANX_TEST(a_truncated_file_is_reported_after_the_batches_before) {
  const Small small;
  const File file(std::vector<uint8_t>(small.images.begin(), small.images.end() - 1));
  const auto order = permutation({11, site_of("data/order")}, 0, Small::count);
  const auto last = std::find(order.begin(), order.end(), Small::count - 1) - order.begin();
  const auto loader =
      small.loader(records_in_files(small.shape, Small::count, {file.name}, Small::count));
  small.pixels_of(*loader, int(last / 4));
  for (int i = 0; i < 2; ++i) {
    LoadedBatch b;
    std::string said;
    try {
      loader->next(&b);
    } catch (const ConfigError& e) {
      said = e.what();
    }
    ANX_CHECK_EQUAL(said, "anx-loader-records ends before record 22: prepare the data set again");
  }
}
