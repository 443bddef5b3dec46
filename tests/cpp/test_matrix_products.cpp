// Stream::gemm and the built-in kernels against three plain loops in double precision.
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/kernels.h"
#include "check.h"
#include "device_memory.h"

using namespace alexnet;
using namespace alexnet::test;

namespace {

struct Case3 {
  int64_t m, n, k;
};
constexpr Case3 kCases[] = {{1, 1, 1},  {6, 32, 256},  {7, 33, 257}, {5, 1, 300},
                            {1, 70, 3}, {65, 130, 31}, {29, 67, 515}};

// C = alpha op(A) op(B) + beta C, with leading dimensions larger than the rows.
template <class T, class Product>
void check_products(double tolerance, Product&& product) {
  for (const auto [m, n, k] : kCases) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const double beta : {0.0, 1.0, -0.5}) {
          const int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 2, ldc = n + 5;
          const auto a = random_values<T>((ta ? k : m) * lda, 1);
          const auto b = random_values<T>((tb ? n : k) * ldb, 2);
          auto c = random_values<T>(m * ldc, 3);
          const auto before = c;
          product(Gemm{ta, tb, m, n, k, a.data(), b.data(), c.data(), lda, ldb, ldc, 1.5, beta,
                       dtype_of<T>});
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < ldc; ++j) {
              double want = before[size_t(i * ldc + j)];
              if (j < n) {
                double sum = 0;
                for (int64_t l = 0; l < k; ++l)
                  sum += double(a[size_t(ta ? l * lda + i : i * lda + l)]) *
                         double(b[size_t(tb ? j * ldb + l : l * ldb + j)]);
                want = 1.5 * sum + (beta == 0 ? 0 : beta * want);
              }
              ANX_CHECK_CLOSE(c[size_t(i * ldc + j)], want, tolerance * (1 + double(k)));
            }
          }
        }
      }
    }
  }
}

}  // namespace

// float: k products of size about 1, each rounded to 6e-8 of a partial sum of size about sqrt(k).
ANX_TEST(the_matrix_product_is_correct_in_both_precisions) {
  check_products<float>(1e-6, [](const Gemm& g) { serial_gemm(g); });
  check_products<double>(1e-14, [](const Gemm& g) { serial_gemm(g); });
}

ANX_TEST(the_built_in_kernel_is_correct_in_both_precisions) {
  check_products<float>(1e-6, [](const Gemm& g) { kernels().gemm_f32(g); });
  check_products<double>(1e-14, [](const Gemm& g) { kernels().gemm_f64(g); });
}

// The multithreaded product that dense layers use, for all combinations of transposes.
ANX_TEST(the_parallel_product_is_correct) {
  ThreadPool pool(2);
  check_products<float>(1e-6, [&](const Gemm& g) { parallel_gemm(pool, g); });
  check_products<double>(1e-14, [&](const Gemm& g) { parallel_gemm(pool, g); });
}

// Odd sizes: rows and columns that do not fill a tile, a depth with a remainder, and a depth that
// needs several passes.
ANX_TEST(the_product_for_few_rows_is_correct) {
  for (const int64_t m : {1, 2, 5, 6, 7, 13})
    for (const int64_t n : {1, 3, 70})
      for (const int64_t k : {1, 15, 16, 100, 1030, 2100}) {
        const int64_t lda = k + 3, ldb = k + 1, ldc = n + 2;
        const auto a = random_values<float>(m * lda, 1), b = random_values<float>(n * ldb, 2);
        std::vector<float> c(size_t(m * ldc), std::nanf(""));
        ThreadPool pool(2);
        parallel_gemm(pool, {false, true, m, n, k, a.data(), b.data(), c.data(), lda, ldb, ldc});
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double want = 0;
            for (int64_t l = 0; l < k; ++l)
              want += double(a[size_t(i * lda + l)]) * double(b[size_t(j * ldb + l)]);
            ANX_CHECK_CLOSE(c[size_t(i * ldc + j)], want, 1e-6 * (1 + double(k)));
          }
        for (int64_t i = 0; i < m; ++i) ANX_CHECK(std::isnan(c[size_t(i * ldc + n)]));
      }
}

ANX_TEST(a_beta_of_zero_does_not_read_the_result) {
  const std::vector<float> a(6, 1.0f), b(6, 1.0f);
  std::vector<float> c(4, std::nanf(""));
  const Gemm g{false, false, 2, 2, 3, a.data(), b.data(), c.data(), 3, 2, 2, 1, 0, DType::f32};
  serial_gemm(g);
  for (const float value : c) ANX_CHECK_EQUAL(value, 3.0f);
  c.assign(4, std::nanf(""));
  kernels().gemm_f32(g);
  for (const float value : c) ANX_CHECK_EQUAL(value, 3.0f);
}

ANX_TEST(a_product_is_the_same_bit_for_bit_for_any_number_of_threads) {
  const int64_t sizes[][3] = {{300, 70, 500}, {40, 900, 300}, {129, 1, 4096}};
  for (const auto& [m, n, k] : sizes) {
    const auto a = random_values<float>(m * k, 5), b = random_values<float>(k * n, 6);
    std::vector<float> first;
    for (const int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      std::vector<float> c(size_t(m * n));
      parallel_gemm(
          pool, {false, false, m, n, k, a.data(), b.data(), c.data(), k, n, n, 1, 0, DType::f32});
      if (first.empty()) first = c;
      ANX_CHECK(c == first);
    }
  }
}
