#include "agent/wire/window.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

using namespace joulespool;
using namespace joulespool::wire;

namespace {

// round(value * 2^31), ties to even, from the bits of the float and integers only.
Units reference_units(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const int biased = static_cast<int>(bits >> 23 & 255);
  if (biased == 255) return {0, false};
  int128 mantissa = static_cast<int128>(bits & 0x7FFFFF);
  if (biased > 0) mantissa |= 0x800000;
  const int shift = (biased > 0 ? biased : 1) - 150 + 31;  // value * 2^31 = mantissa * 2^shift
  int128 units = 0;
  if (shift >= 40) return {0, false};
  if (shift >= 0) {
    units = mantissa << shift;
  } else if (shift > -30) {
    const int128 half = static_cast<int128>(1) << (-shift - 1);
    units = mantissa >> -shift;
    const int128 rest = mantissa - (units << -shift);
    if (rest > half || (rest == half && (units & 1) != 0)) ++units;
  }
  if (units >= static_cast<int128>(1) << 62) return {0, false};
  return {static_cast<int64_t>((bits >> 31) != 0 ? -units : units), true};
}

Window window_of(const std::vector<float>& i, const std::vector<float>& v, size_t first, size_t end) {
  Window window;
  for (size_t at = first; at < end; ++at) {
    Window one;
    const Units iu = to_units(i[at]);
    const Units vu = to_units(v[at]);
    const Units pu = to_units(i[at] * v[at]);
    one.sample_id_first = at;
    one.sample_id_end = at + 1;
    one.count = 1;
    if (iu.ok && vu.ok && pu.ok) {
      one.valid = 1;
      one.i_sum = iu.value;
      one.v_sum = vu.value;
      one.p_sum = pu.value;
      one.i2_sum = static_cast<int128>(iu.value) * iu.value;
      one.v2_sum = static_cast<int128>(vu.value) * vu.value;
      one.i_min = one.i_max = i[at];
      one.v_min = one.v_max = v[at];
      one.p_min = one.p_max = i[at] * v[at];
    }
    window.merge(one);
  }
  return window;
}

}  // namespace

TEST_CASE("units of a sample: ties go to the even integer") {
  const float unit = std::ldexp(1.0F, -31);
  CHECK(to_units(0.5F * unit).value == 0);
  CHECK(to_units(1.5F * unit).value == 2);
  CHECK(to_units(2.5F * unit).value == 2);
  CHECK(to_units(3.5F * unit).value == 4);
  CHECK(to_units(-0.5F * unit).value == 0);
  CHECK(to_units(-1.5F * unit).value == -2);
  CHECK(to_units(-2.5F * unit).value == -2);
  CHECK(to_units(0.50001F * unit).value == 1);
}

TEST_CASE("units of a sample: what is no number, or too large, counts as missing") {
  for (const float value : {NAN, -NAN, INFINITY, -INFINITY, 2147483648.0F, -2147483648.0F, 3e38F}) {
    CHECK(!to_units(value).ok);
    CHECK(to_units(value).value == 0);
  }
  const float largest = std::nextafter(2147483648.0F, 0.0F);
  CHECK(to_units(largest).ok);
  CHECK(to_units(largest).value == 4611685743549480960);
  CHECK(to_units(0.0F).ok);
  CHECK(to_units(-0.0F).value == 0);
  CHECK(to_units(1.0F).value == 2147483648);
  CHECK(to_units(std::ldexp(1.0F, -149)).value == 0);
}

TEST_CASE("units of a sample: equal to a reference in integers for any float") {
  std::mt19937 random(12);
  for (int round = 0; round < 200000; ++round) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    const Units expected = reference_units(value);
    const Units units = to_units(value);
    REQUIRE(units.ok == expected.ok);
    REQUIRE(units.value == expected.value);
  }
}

TEST_CASE("window: merging in any grouping and order equals one window over all samples") {
  std::mt19937 random(13);
  for (int round = 0; round < 200; ++round) {
    const size_t size = 1 + random() % 40;
    std::vector<float> i(size), v(size);
    for (size_t at = 0; at < size; ++at) {
      i[at] = random() % 10 == 0 ? NAN : static_cast<float>(static_cast<int>(random() % 20001) - 10000) * 1.37e-5F;
      v[at] = 3.3F + static_cast<float>(random() % 1000) * 1e-6F;
    }
    const Window whole = window_of(i, v, 0, size);
    std::vector<Window> parts;
    for (size_t at = 0; at < size;) {
      const size_t end = std::min(size, at + 1 + random() % 7);
      parts.push_back(window_of(i, v, at, end));
      at = end;
    }
    while (parts.size() > 1) {  // any two of them, either way round
      const size_t a = random() % parts.size();
      std::swap(parts[a], parts.back());
      const Window taken = parts.back();
      parts.pop_back();
      parts[random() % parts.size()].merge(taken);
    }
    CHECK(parts.front() == whole);
  }
}

TEST_CASE("window: an empty one is neutral on both sides") {
  const Window some = window_of({1.0F, NAN}, {2.0F, 2.0F}, 0, 2);
  Window left;
  left.merge(some);
  CHECK(left == some);
  Window right = some;
  right.merge(Window());
  CHECK(right == some);
}

TEST_CASE("window: with missing samples only, count is there and extremes are not") {
  const Window nothing = window_of({NAN, NAN}, {1.0F, 1.0F}, 0, 2);
  CHECK(nothing.count == 2);
  CHECK(nothing.valid == 0);
  CHECK(nothing.i_sum == 0);
  CHECK(nothing.i_min == INFINITY);
  CHECK(nothing.i_max == -INFINITY);
}
