// The 32-bit indices of GPU kernels: which ops may use them, and that they address the same
// elements as 64-bit indices.
#include "check.h"
#include "device_memory.h"
#include "ops/run.h"
#include "ops/short_index.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

// Its memory is never read: only its shape is used.
View<float> fabricated(const Shape& shape, DeviceId device = {}, int block = 1) {
  return {reinterpret_cast<float*>(uintptr_t(1) << 20), shape, device, block};
}

template <class Op>
void check(const Op& op) {
  require_short_index(op, op.grid());
}

template <class Index, class Op>
void compute(const Op& op) {
  const Grid grid = op.grid();
  for (int64_t row = 0; row < grid.rows; ++row)
    for (int64_t col = 0; col < grid.cols; ++col) op(Index(row), Index(col));
}

// Compares the results of the op make(x, y, s, out) on 2x6x5x4 numbers for both index widths.
template <class F>
void check_both(F&& make) {
  const Shape shape{2, 6, 5, 4};
  const size_t count = size_t(shape.count());
  std::vector<std::vector<double>> in;
  for (uint32_t i = 0; i < 3; ++i) in.push_back(random_values<double>(shape.count(), i));
  for (double& s : in[2]) s = 2 + s * s;
  std::vector<double> results[2];
  for (int wide = 0; wide < 2; ++wide) {
    std::vector<std::vector<double>> memory = in;
    std::vector<double>& out = results[wide];
    out.assign(count, -1);
    const auto view = [&](std::vector<double>& v) { return View<double>{v.data(), shape, {}}; };
    const auto op = make(view(memory[0]), view(memory[1]), view(memory[2]), view(out));
    if (wide)
      compute<int64_t>(op);
    else
      compute<int32_t>(op);
    for (const auto& v : memory) out.insert(out.end(), v.begin(), v.end());
  }
  int written = 0;
  for (size_t i = 0; i < results[0].size(); ++i) {
    ANX_CHECK_CLOSE(results[0][i], results[1][i], 1e-12);
    written += i < count && results[0][i] != -1;
  }
  ANX_CHECK(written > 0);
}

}  // namespace

ANX_TEST(arrays_of_2_to_the_31_elements_are_rejected_with_advice) {
  const Shape most{1, 1, 1, 2147483647}, beyond{2048, 1024, 32, 32};
  ANX_CHECK_EQUAL(beyond.count(), int64_t(1) << 31);
  check(Add<float>{fabricated(most), fabricated(most)});
  const std::string message =
      "add: an array has 2147483648 elements; GPU kernels support fewer than 2147483648: "
      "use a smaller batch or split it into parts (--accumulate)";
  ANX_CHECK_THROWS(ShapeError, message, check(Add<float>{fabricated(beyond), fabricated(most)}));
  ANX_CHECK_THROWS(ShapeError, message, check(Add<float>{fabricated(most), fabricated(beyond)}));
}

ANX_TEST(every_operand_is_checked_not_only_outputs) {
  const Shape shape{2048, 1024, 32, 32}, pooled{2048, 1024, 16, 16};
  ANX_CHECK_THROWS(
      ShapeError, "max_pool_forward: an array has 2147483648 elements",
      check(MaxPoolForward<float>{
          {2, 2, 0}, false, fabricated(shape), fabricated(pooled), fabricated(pooled)}));
}

ANX_TEST(a_grid_too_large_for_32_bits_is_rejected) {
  const Add<float> op{fabricated({}), fabricated({})};
  require_short_index(op, {2147483647, 2147483647});
  for (const Grid& grid : {Grid{int64_t(1) << 31, 1}, Grid{1, int64_t(1) << 31}})
    ANX_CHECK_THROWS(ShapeError, "2147483648 elements", require_short_index(op, grid));
}

ANX_TEST(blocked_channels_are_rejected) {
  const View<float> planes = fabricated({1, 16, 2, 2}), blocks = fabricated({1, 16, 2, 2}, {}, 16);
  const std::string message = "add: expected an operand in planes, got channel blocks of 16";
  ANX_CHECK_THROWS(InternalError, message, check(Add<float>{blocks, planes}));
  ANX_CHECK_THROWS(InternalError, message, check(Add<float>{planes, blocks}));
}

// Through run(), on a device that uses 32-bit indices.
ANX_TEST(a_gpu_rejects_both_before_the_launch) {
  if (tested_kind() == DeviceKind::cpu) return;
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const View<float> small = fabricated({1, 16, 2, 2}, device->id());
  const View<float> beyond = fabricated({2048, 1024, 32, 32}, device->id());
  const View<float> blocks = fabricated({1, 16, 2, 2}, device->id(), 16);
  ANX_CHECK_THROWS(ShapeError, "add: an array has 2147483648 elements",
                   run(*stream, Add<float>{beyond, small}));
  ANX_CHECK_THROWS(InternalError, "add: expected an operand in planes",
                   run(*stream, Add<float>{blocks, small}));
  stream->synchronize();
}

ANX_TEST(indices_of_both_widths_address_the_same_element) {
  const Shape shape{2048, 1024, 31, 33};  // 2145386496 elements
  const View<float> view = fabricated(shape);
  const Grid grid = planes(view);
  const auto place = [&](const auto& element) {
    return int64_t(reinterpret_cast<uintptr_t>(&element) - reinterpret_cast<uintptr_t>(view.data)) /
           int64_t(sizeof(float));
  };
  for (const int64_t row : {int64_t(0), int64_t(1), grid.rows / 2, grid.rows - 1}) {
    ANX_CHECK_EQUAL(place(*view.plane(int32_t(row))), row * grid.cols);
    ANX_CHECK_EQUAL(place(*view.plane(row)), row * grid.cols);
    for (const int64_t col : {int64_t(0), int64_t(1), grid.cols - 1}) {
      ANX_CHECK_EQUAL(place(view.at(int32_t(row), int32_t(col))), row * grid.cols + col);
      ANX_CHECK_EQUAL(place(view.at(row, col)), row * grid.cols + col);
    }
  }
}

ANX_TEST(ops_compute_the_same_with_both_index_widths) {
  using V = View<double>;
  const LrnParams<double> p{3, 6, 2, 0.3, 0.75};
  const Window window{3, 1, 1};
  check_both([&](V x, V, V s, V out) { return LrnForward<double>{p, x, out, s}; });
  check_both([&](V x, V y, V s, V out) { return LrnBackward<double>{p, x, y, s, y, out}; });
  check_both([&](V x, V, V s, V out) { return LrnMaxPoolForward<double>{p, window, x, out, s}; });
  check_both([&](V x, V, V s, V out) { return MaxPoolForward<double>{window, true, x, out, s}; });
  check_both([&](V x, V, V, V out) { return AvgPoolForward<double>{window, x, out}; });
  check_both([&](V x, V y, V s, V out) {
    for (int64_t i = 0; i < s.shape.count(); ++i) s[i] = double(i % 9);
    return LrnMaxPoolBackward<double>{p, window, x, s, y, out};
  });
  check_both(
      [&](V x, V, V, V out) { return LrnWithinForward<double>{{3, 1, 0.3, 0.75}, x, out, out}; });
  check_both([&](V x, V y, V, V out) {
    return AddBias<double>{true, x, {y.data, {1, x.shape.c, 1, 1}, {}}, out};
  });
  check_both([&](V x, V, V, V out) {
    Dropout<double> op;
    op.site = {42, 7}, op.total_channels = 6, op.x = x, op.y = out;
    return op;
  });
  check_both([&](V x, V, V, V out) {
    const Shape half{2, 3, 5, 4};
    return SliceChannels<double>{2, x, {out.data, half, {}}};
  });
}
