// Philox and the draws made from it. Test vectors: the known answers of the Random123 distribution
// (philox4x32, 10 rounds) and of the FNV reference (32 bits, FNV-1a).
#include "check.h"
#include "core/philox.h"
#include "train/initial_values.h"

using namespace alexnet;

static void check_vector(Philox4 counter, uint32_t key0, uint32_t key1, Philox4 want) {
  const Philox4 got = philox4x32(counter, key0, key1);
  for (int i = 0; i < 4; ++i) ANX_CHECK_EQUAL(got.v[i], want.v[i]);
}

ANX_TEST(philox_matches_the_published_vectors) {
  check_vector({{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  const uint32_t ones = 0xffffffff;
  check_vector({{ones, ones, ones, ones}}, ones, ones,
               {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  check_vector({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0,
               {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

ANX_TEST(a_site_is_the_fnv_hash_of_its_name) {
  ANX_CHECK_EQUAL(site_of(""), 0x811c9dc5u);
  ANX_CHECK_EQUAL(site_of("a"), 0xe40c292cu);
  ANX_CHECK_EQUAL(site_of("foobar"), 0xbf9cf968u);
}

ANX_TEST(seed_site_step_and_element_each_change_the_draw) {
  const RandomSite site{7, site_of("drop6")};
  const uint32_t bits = site.bits(3, 100);
  ANX_CHECK_EQUAL(bits, (RandomSite{7, site_of("drop6")}.bits(3, 100)));
  ANX_CHECK(bits != (RandomSite{8, site.site}.bits(3, 100)));
  ANX_CHECK(bits != (RandomSite{7 + (uint64_t(1) << 32), site.site}.bits(3, 100)));
  ANX_CHECK(bits != (RandomSite{7, site_of("drop7")}.bits(3, 100)));
  ANX_CHECK(bits != site.bits(4, 100));
  ANX_CHECK(bits != site.bits(3, 101));
  ANX_CHECK(bits != site.bits(3, 100 + (uint64_t(1) << 34)));
}

ANX_TEST(four_neighbouring_elements_come_from_one_block) {
  const RandomSite site{uint64_t(5) << 32 | 9, 77};
  const Philox4 block = philox4x32({{2, 0, 77, 6}}, 9, 5);
  for (uint64_t i = 0; i < 4; ++i) ANX_CHECK_EQUAL(site.bits(6, 8 + i), block.v[i]);
}

ANX_TEST(uniforms_and_normals_have_their_moments) {
  const RandomSite site{1, site_of("moments")};
  const int count = 100000;
  double sum = 0, square = 0, gauss = 0, gauss_square = 0;
  std::vector<double> z(count);
  normals(site, 1, z.data(), z.size());
  for (int i = 0; i < count; ++i) {
    const double u = site.uniform(0, uint64_t(i));
    ANX_CHECK(u >= 0 && u < 1);
    sum += u, square += u * u, gauss += z[size_t(i)], gauss_square += z[size_t(i)] * z[size_t(i)];
  }
  // Standard errors at this count: 0.0009, 0.0009, 0.003, 0.0045. Tolerances are about four of
  // them.
  ANX_CHECK_CLOSE(sum / count, 0.5, 0.004);
  ANX_CHECK_CLOSE(square / count, 1.0 / 3, 0.004);
  ANX_CHECK_CLOSE(gauss / count, 0.0, 0.013);
  ANX_CHECK_CLOSE(gauss_square / count, 1.0, 0.018);
}

ANX_TEST(a_normal_draw_does_not_depend_on_how_many_are_drawn) {
  const RandomSite site{1, site_of("weights")};
  std::vector<double> all(103), some(50, 7.0);
  normals(site, 0, all.data(), all.size());
  normals(site, 0, some.data(), 49);
  for (size_t i = 0; i < 49; ++i) ANX_CHECK_EQUAL(some[i], all[i]);
  ANX_CHECK_EQUAL(some[49], 7.0);
}

ANX_TEST(a_normal_draw_does_not_depend_on_where_drawing_begins) {
  const RandomSite site{1, site_of("weights")};
  std::vector<double> all(40);
  normals(site, 2, all.data(), all.size());
  for (size_t first = 0; first < 10; ++first)
    for (size_t n = 0; n < 12; ++n) {
      std::vector<double> some(n + 1, 7.0);
      normals(site, 2, first, some.data(), n);
      for (size_t i = 0; i < n; ++i) ANX_CHECK_EQUAL(some[i], all[first + i]);
      ANX_CHECK_EQUAL(some[n], 7.0);
    }
}

template <class T>
static void check_initial_values() {
  const InitialValues values{{3, site_of("fc.weight")}, 0.25, 0.01};
  const int64_t first = 5, count = 200003;  // several work items, the last one not full
  std::vector<T> want;
  for (int64_t i = 0; i < count; ++i)
    want.push_back(T(0.25) + T(0.01 * normal(values.site, 0, uint64_t(first + i))));
  for (const int threads : {1, 2, 3, 7}) {
    std::vector<T> got(size_t(count) + 1, T(7));
    values.draw(first, count, threads, got.data());
    ANX_CHECK(std::equal(want.begin(), want.end(), got.begin()));
    ANX_CHECK_EQUAL(got.back(), T(7));
  }
  std::vector<T> constant(9);
  InitialValues{{3, 1}, 0.5, 0}.draw(0, 9, 4, constant.data());
  ANX_CHECK(constant == std::vector<T>(9, T(0.5)));
}

ANX_TEST(initial_values_are_the_same_bits_for_any_number_of_threads) {
  check_initial_values<float>();
  check_initial_values<double>();
}
