// The one-dimensional transforms of Winograd's convolution (Winograd 1980; Lavin and Gray 2016) by
// Toom-Cook interpolation: M outputs of a filter with R taps from N = M + R - 1 products.
//
//   y = A^T [(G w) * (B^T d)]      dw = G^T [(A dy) * (B^T d)]
//
//   A[j][i] = a_j^i     G[j][k] = a_j^k / prod_{l != j} (a_j - a_l)
//   B^T[j]  = the coefficients of prod_{l != j} (x - a_l)
//             for the point at infinity: of prod_l (x - a_l)
//
// The points are pairs +a, -a, then 0 (if N is even), then infinity. The two rows of a pair share
// their even and odd halves, which halves the work. docs/numerics.md explains the choice of points.
#pragma once

#include <array>
#include <utility>

namespace alexnet {
namespace {

template <int N>
struct WinogradPoints;
template <>
struct WinogradPoints<6> {
  static constexpr std::array<double, 2> pairs = {0.625, 1.5};
};
template <>
struct WinogradPoints<7> {
  static constexpr std::array<double, 3> pairs = {0.25, 0.875, 1.75};
};
template <>
struct WinogradPoints<8> {
  static constexpr std::array<double, 3> pairs = {0.5, 1, 2};
};

template <int M, int R>
struct Winograd {
  static constexpr int tile = M, kernel = R, side = M + R - 1;
  static constexpr auto pairs = WinogradPoints<side>::pairs;
  static constexpr int count = int(pairs.size());
  static constexpr int zero = side - 1 - 2 * count;  // 1: 0 is one of the points
  static_assert(zero == 0 || zero == 1);
  // Rows of a transform are computed in groups that share work: the pairs, then 0 and infinity.
  static constexpr int row_groups = count + 1;
  static constexpr int rows_of(int group) { return group < count ? 2 : 1 + zero; }

  static constexpr double power(double a, int i) { return i == 0 ? 1 : a * power(a, i - 1); }

  // Coefficients in powers of x^2 of prod_{l != j} (x^2 - a_l^2) over the pairs; j = count: over
  // all.
  static constexpr std::array<double, count + 1> product(int j) {
    std::array<double, count + 1> c{};
    c[0] = 1;
    for (int l = 0; l < count; ++l) {
      if (l == j) continue;
      for (int k = count; k > 0; --k) c[k] = c[k - 1] - pairs[l] * pairs[l] * c[k];
      c[0] *= -pairs[l] * pairs[l];
    }
    return c;
  }

  // sum_k product(j)[k] * d[2k]
  template <int j, class V>
  static inline __attribute__((always_inline)) V every_second(const V* d) {
    constexpr auto c = product(j);
    constexpr int degree = j == count ? count : count - 1;  // its coefficient is 1
    V sum = d[2 * degree];
#pragma GCC unroll 8
    for (int k = degree - 1; k >= 0; --k) sum += float(c[k]) * d[2 * k];
    return sum;
  }

  // The rows of group g of B^T d.
  template <int g, class V>
  static inline __attribute__((always_inline)) void input_rows(const V* d, V* out) {
    if constexpr (g < count) {
      const V even = every_second<g>(d + zero), odd = every_second<g>(d + 1 + zero);
      out[0] = odd + float(pairs[g]) * even;
      out[1] = odd - float(pairs[g]) * even;
    } else {
      if constexpr (zero) out[0] = every_second<count>(d);
      out[zero] = every_second<count>(d + zero);
    }
  }

  // The rows of group g of A d, from T values: sum_i a^i d[i], or d[T - 1] for infinity.
  template <int g, int T, class V>
  static inline __attribute__((always_inline)) void value_rows(const V* d, V* out) {
    using Scalar = std::remove_cvref_t<decltype(V{}[0])>;
    if constexpr (g < count) {
      V even = d[0], odd = d[1] * Scalar(pairs[g]);
#pragma GCC unroll 8
      for (int i = 2; i < T; ++i) (i % 2 ? odd : even) += d[i] * Scalar(power(pairs[g], i));
      out[0] = even + odd;
      out[1] = even - odd;
    } else {
      if constexpr (zero) out[0] = d[0];
      out[zero] = d[T - 1];
    }
  }

  // Calls f(g) for every group of rows, with g as a constant.
  template <class F>
  static inline __attribute__((always_inline)) void each_group(F&& f) {
    [&]<int... g>(std::integer_sequence<int, g...>) {
      (f(std::integral_constant<int, g>{}), ...);
    }(std::make_integer_sequence<int, row_groups>{});
  }
  template <class V>
  static inline __attribute__((always_inline)) void input(const V* d, V* out) {
    each_group([&](auto g) { input_rows<g>(d, out + 2 * g); });
  }
  template <int T, class V>
  static inline __attribute__((always_inline)) void values(const V* d, V* out) {
    each_group([&](auto g) { value_rows<g, T>(d, out + 2 * g); });
  }

  // The transpose of values(): y[i] = sum_j a_j^i v[j] for i < T, infinity added to the last.
  template <int T, class V>
  static inline __attribute__((always_inline)) void moments(const V* v, V* y) {
    using Scalar = std::remove_cvref_t<decltype(V{}[0])>;
    V sum[count], difference[count];
#pragma GCC unroll 8
    for (int j = 0; j < count; ++j) {
      sum[j] = v[2 * j] + v[2 * j + 1];
      difference[j] = v[2 * j] - v[2 * j + 1];
    }
#pragma GCC unroll 8
    for (int i = 0; i < T; ++i) {
      const V* part = i % 2 ? difference : sum;
      V total = part[0] * Scalar(power(pairs[0], i));
#pragma GCC unroll 8
      for (int j = 1; j < count; ++j) total += part[j] * Scalar(power(pairs[j], i));
      y[i] = total;
    }
    if constexpr (zero) y[0] += v[2 * count];
    y[T - 1] += v[side - 1];
  }

  // 1 / prod_{l != j} (a_j - a_l) over the finite points; 1 for infinity.
  static constexpr double scale(int j) {
    if (j == side - 1) return 1;
    const auto point = [](int l) { return l / 2 < count ? (l % 2 ? -1 : 1) * pairs[l / 2] : 0; };
    double inverse = 1;
    for (int l = 0; l < side - 1; ++l)
      if (l != j) inverse *= point(j) - point(l);
    return 1 / inverse;
  }
};

}  // namespace
}  // namespace alexnet
