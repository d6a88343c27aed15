#include "agent/base/int128.h"

#include <doctest/doctest.h>

#include <random>

using namespace joulespool;

TEST_CASE("int128: halves join to the number they came from") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 1000; ++round) {
    const int128 value = join_halves(static_cast<int64_t>(random()), random());
    CHECK(join_halves(high_half(value), low_half(value)) == value);
  }
  CHECK(join_halves(-1, UINT64_MAX) == -1);
  CHECK(join_halves(0, UINT64_MAX) == static_cast<int128>(UINT64_MAX));
}

TEST_CASE("int128: decimal text of the largest, the smallest and of zero") {
  CHECK(to_decimal(0) == "0");
  CHECK(to_decimal(-1) == "-1");
  CHECK(to_decimal(join_halves(INT64_MAX, UINT64_MAX)) == "170141183460469231731687303715884105727");
  CHECK(to_decimal(join_halves(INT64_MIN, 0)) == "-170141183460469231731687303715884105728");
}

TEST_CASE("int128: text of at most 38 digits reads back") {
  std::mt19937_64 random(4);
  for (int round = 0; round < 1000; ++round) {
    const int128 value = join_halves(static_cast<int64_t>(random()) >> (random() % 60 + 4), random());
    int128 back = 0;
    REQUIRE(parse_decimal(to_decimal(value), back));
    CHECK(back == value);
  }
}

TEST_CASE("int128: what is no number is refused and changes nothing") {
  for (const char* wrong :
       {"", "-", "+1", " 1", "1 ", "1.5", "0x1", "1e3", "--1", "100000000000000000000000000000000000000000"}) {
    int128 value = 42;
    CHECK(!parse_decimal(wrong, value));
    CHECK(value == 42);
  }
}
