// Ops through run(): operands on the wrong device, empty grids, and published results.
#include <limits>

#include "backends/cpu/kernels.h"
#include "check.h"
#include "device_memory.h"
#include "ops/run.h"

using namespace alexnet;
using namespace alexnet::test;

ANX_TEST(an_operand_on_another_device_is_rejected_by_name) {
  const auto first = tested(0), second = tested(1);
  const auto stream = first->make_stream();
  const Tensor here(*first, {1, 2, 3, 4}, DType::f32), there(*second, {1, 2, 3, 4}, DType::f32);
  const std::string message = "add: an operand is on " + tested_name(1) + " but the stream is on " +
                              tested_name(0) + "; insert a copy";
  ANX_CHECK_THROWS(DeviceError, message, run(*stream, Add<float>{there.view(), here.view()}));
  ANX_CHECK_THROWS(DeviceError, message, run(*stream, Add<float>{here.view(), there.view()}));
}

ANX_TEST(a_buffer_is_not_read_as_another_type) {
  const auto device = tested(0);
  const Tensor floats(*device, {1, 1, 1, 4}, DType::f32);
  ANX_CHECK_THROWS(InternalError, "a float32 buffer was read as float64",
                   View<double>(floats.view()));
}

ANX_TEST(nothing_is_launched_for_an_empty_batch) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Tensor empty(*device, {0, 4, 2, 2}, DType::f32);
  run(*stream, Add<float>{empty.view(), empty.view()});
  stream->synchronize();
}

// Local response normalisation of 100, 200, ... 800 with n = 5, beta = 0.75, computed by hand from
// the formula of section 3.3 of the paper, for each interpretation of it.
static void check_lrn(double k, double alpha, int group, const std::vector<double>& want) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Shape shape{1, 8, 1, 1};
  const Tensor x =
      upload(*device, *stream, shape, std::vector<double>{100, 200, 300, 400, 500, 600, 700, 800});
  const Tensor y(*device, shape, DType::f64), s(*device, shape, DType::f64);
  LrnParams<double> p;
  p.size = 5, p.group = group, p.k = k, p.alpha = alpha, p.beta = 0.75;
  run(*stream, LrnForward<double>{p, x.view(), y.view(), s.view()});
  const auto got = download<double>(*stream, y.view());
  for (size_t i = 0; i < 8; ++i) ANX_CHECK_CLOSE(got[i], want[i], 1e-6);
}

ANX_TEST(response_normalisation_matches_the_published_vectors) {
  check_lrn(2, 1e-4, 8,
            {12.5, 14.865089, 14.461559, 13.465396, 12.48618, 11.632561, 14.486502, 18.57194});
  check_lrn(
      2, 1e-4 / 5, 8,
      {30.836784, 42.044821, 43.819129, 42.294851, 40.010272, 37.723003, 46.850278, 59.740609});
  check_lrn(
      1, 1e-4 / 5, 8,
      {36.741959, 46.473616, 46.530243, 43.953634, 41.077261, 38.446145, 47.828391, 61.189506});
  check_lrn(
      2, 1e-4 / 5, 4,
      {30.836784, 42.044821, 63.067231, 85.701622, 46.111747, 40.157381, 46.850278, 59.740609});
}

ANX_TEST(momentum_continues_when_the_learning_rate_drops) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Shape one{1, 1, 1, 1};
  const Tensor w = upload(*device, *stream, one, std::vector<double>{1});
  const Tensor v = upload(*device, *stream, one, std::vector<double>{0});
  const Tensor g(*device, one, DType::f64);
  const double rates[] = {0.1, 0.1, 0.1, 0.01, 0.01, 0.01};
  const double want[] = {0.89995, 0.709860003, 0.438743512, 0.184736476, -0.053870779, -0.27861704};
  for (int step = 0; step < 6; ++step) {
    const std::vector<double> gradient = {1};
    stream->upload(gradient.data(), g.view());
    run(*stream, SgdUpdate<double>{rates[step], 0.9, 5e-4, w.view(), v.view(), g.view()});
    ANX_CHECK_CLOSE(download<double>(*stream, w.view())[0], want[step], 1e-8);
    ANX_CHECK_EQUAL(download<double>(*stream, g.view())[0], 0.0);
  }
}

ANX_TEST(one_update_of_all_parameters_matches_separate_updates) {
  const auto device = cpu(0);
  const auto stream = device->make_stream();
  const int sizes[] = {5, int(SgdUpdateAll<bf16>::kLongest) + 3};
  std::vector<Tensor> each, all;  // w, v, g of each parameter
  std::vector<SgdPiece<bf16>> pieces;
  std::vector<Tensor> shadows;
  for (const int size : sizes)
    for (int i = 0; i < 3; ++i)
      for (auto* tensors : {&each, &all})
        tensors->push_back(
            upload(*device, *stream, {1, 1, 1, size}, random_values<float>(size, 7 + i)));
  for (int p = 0; p < 2; ++p) {
    const SgdRates<float> rates{0.1f / float(p + 1), 0.9f, 5e-4f};
    const auto at = [&](const std::vector<Tensor>& t, int i) {
      return t[size_t(3 * p + i)].view();
    };
    run(*stream, SgdUpdate<float>{rates, at(each, 0), at(each, 1), at(each, 2), {}});
    shadows.emplace_back(*device, Shape{1, 1, 1, sizes[p]}, DType::bf16);
    for (int64_t first = 0; first < sizes[p]; first += SgdUpdateAll<bf16>::kLongest) {
      const auto from = [&](int i) { return static_cast<float*>(at(all, i).data) + first; };
      bf16* shadow = p == 0 ? nullptr : static_cast<bf16*>(shadows[1].view().data) + first;
      pieces.push_back({rates, from(0), from(1), from(2), shadow,
                        std::min(SgdUpdateAll<bf16>::kLongest, sizes[p] - first)});
    }
  }
  run(*stream, SgdUpdateAll<bf16>{{pieces.data(), {int(pieces.size()), 1, 1, 1}, device->id()}});
  // On arm64 the compiler uses fused multiply-adds in only one of the two loops.
  for (size_t i = 0; i < each.size(); ++i) {
    const auto one = download<float>(*stream, each[i].view()),
               other = download<float>(*stream, all[i].view());
    for (size_t k = 0; k < one.size(); ++k) ANX_CHECK_CLOSE(one[k], other[k], 1e-6);
  }
  const auto w = download<float>(*stream, all[3].view());
  const auto shadow = download<bf16>(*stream, shadows[1].view());
  for (size_t i = 0; i < w.size(); ++i) ANX_CHECK_EQUAL(shadow[i].bits, bf16(w[i]).bits);
}

ANX_TEST(a_constant_prediction_has_a_top_k_accuracy_of_exactly_k_over_classes) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Tensor x = upload(*device, *stream, {1, 1000, 1, 1}, std::vector<double>(1000, 3.0));
  const Tensor labels = upload(*device, *stream, {1, 1, 1, 1}, std::vector<int32_t>{617});
  const Tensor p(*device, {1, 1000, 1, 1}, DType::f64), scores(*device, {1, 3, 1, 1}, DType::f64);
  run(*stream, SoftmaxForward<double>{x.view(), labels.view(), p.view(), scores.view()});
  const auto got = download<double>(*stream, scores.view());
  ANX_CHECK_CLOSE(got[0], std::log(1000.0), 1e-12);
  ANX_CHECK_EQUAL(got[1], 1 / 1000.0);
  ANX_CHECK_EQUAL(got[2], 5 / 1000.0);
}

ANX_TEST(bfloat16_rounds_to_nearest_with_ties_to_even) {
  for (int bits = 0; bits < 1 << 16; ++bits) {
    bf16 value;
    value.bits = uint16_t(bits);
    const float wide = value;
    if (wide != wide) {
      ANX_CHECK(float(bf16(wide)) != float(bf16(wide)));
    } else {
      ANX_CHECK_EQUAL(bf16(wide).bits, bits);
    }
  }
  // Between 1 and its successor, 1 + 2^-7; between that and the next one.
  const float half = 1.0f / 256, bit = 1.0f / (1 << 23);
  ANX_CHECK_EQUAL(float(bf16(1 + half)), 1.0f);
  ANX_CHECK_EQUAL(float(bf16(1 + half + bit)), 1 + 2 * half);
  ANX_CHECK_EQUAL(float(bf16(1 + 3 * half)), 1 + 4 * half);
  ANX_CHECK_EQUAL(float(bf16(-1 - 3 * half + bit)), -1 - 2 * half);
  ANX_CHECK_EQUAL(float(bf16(3.4e38f)), std::numeric_limits<float>::infinity());
}

ANX_TEST(every_instruction_set_computes_the_same) {
  const int size = 20011;
  const DeviceId here;
  ThreadPool pool(2);
  const auto x = random_values<float>(size, 3), dy = random_values<float>(size, 4);
  std::vector<const KernelTable*> tables = {&kernels_generic};
#if defined(ANX_X86_KERNELS)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.push_back(&kernels_avx2);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    tables.push_back(&kernels_avx512);
#endif
  const Shape shape{1, 1, 1, size};
  std::vector<float> first;
  for (const KernelTable* table : tables) {
    std::vector<float> w = x, v(x.size(), 0.5f), g = dy;
    const SgdUpdate<float> op{0.1f,
                              0.9f,
                              5e-4f,
                              View<float>{w.data(), shape, here},
                              View<float>{v.data(), shape, here},
                              View<float>{g.data(), shape, here}};
    table->launch[op_index<SgdUpdate<float>>](&op, op.grid(), pool);
    if (first.empty()) first = w;
    for (size_t i = 0; i < w.size(); ++i) ANX_CHECK_CLOSE(w[i], first[i], 1e-6);
  }
}

// The fused op against the two ops that it replaces, in planes and in double precision.
ANX_TEST(fused_normalisation_and_pooling_match_the_two_ops) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Shape in{2, 7, 9, 8}, out{2, 7, 5, 4};
  const Window window{3, 2, 1};
  LrnParams<double> p;
  p.size = 3, p.group = 7, p.k = 2, p.alpha = 0.3, p.beta = 0.75;
  const Tensor x = upload(*device, *stream, in, random_values<double>(in.count(), 1));
  const Tensor dy = upload(*device, *stream, out, random_values<double>(out.count(), 2));
  const auto tensor = [&](const Shape& shape) { return Tensor(*device, shape, DType::f64); };
  const Tensor normal = tensor(in), s = tensor(in), d_normal = tensor(in), dx = tensor(in);
  const Tensor y = tensor(out), argmax = tensor(out), one_y = tensor(out), one_argmax = tensor(out);
  const Tensor one_dx = tensor(in);
  run(*stream, LrnForward<double>{p, x.view(), normal.view(), s.view()});
  run(*stream, MaxPoolForward<double>{window, false, normal.view(), y.view(), argmax.view()});
  run(*stream, MaxPoolBackward<double>{window, argmax.view(), dy.view(), d_normal.view()});
  run(*stream,
      LrnBackward<double>{p, x.view(), normal.view(), s.view(), d_normal.view(), dx.view()});
  run(*stream, LrnMaxPoolForward<double>{p, window, x.view(), one_y.view(), one_argmax.view()});
  run(*stream,
      LrnMaxPoolBackward<double>{p, window, x.view(), one_argmax.view(), dy.view(), one_dx.view()});
  const auto same = [&](const Tensor& got, const Tensor& want, double tolerance) {
    const auto a = download<double>(*stream, got.view()),
               b = download<double>(*stream, want.view());
    for (size_t i = 0; i < a.size(); ++i) ANX_CHECK_CLOSE(a[i], b[i], tolerance);
  };
  same(one_y, y, 0);
  same(one_argmax, argmax, 0);
  same(one_dx, dx, 1e-14);
}

ANX_TEST(padding_adds_zeros_around_an_image_and_cropping_removes_them) {
  const auto device = tested(0);
  const auto stream = device->make_stream();
  const Shape small{2, 1, 2, 3}, large{2, 1, 4, 5};
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const Tensor x = upload(*device, *stream, small, values);
  const Tensor y(*device, large, DType::f64), back(*device, small, DType::f64);
  run(*stream, Pad<double>{1, 0, x.view(), y.view()});
  const std::vector<double> want = {0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4,  5,  6,  0, 0, 0, 0, 0, 0, 0,
                                    0, 0, 0, 0, 0, 7, 8, 9, 0, 0, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0};
  ANX_CHECK(download<double>(*stream, y.view()) == want);
  run(*stream, Pad<double>{-1, 0, y.view(), back.view()});
  ANX_CHECK(download<double>(*stream, back.view()) == values);
  run(*stream, Pad<double>{-1, -2, y.view(), back.view()});
  ANX_CHECK(download<double>(*stream, back.view()) ==
            (std::vector<double>{3, 0, 0, 6, 0, 0, 9, 0, 0, 12, 0, 0}));
}
