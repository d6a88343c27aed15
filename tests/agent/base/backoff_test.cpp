#include "agent/base/backoff.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace joulespool;

TEST_CASE("backoff: the wait is spread over the whole span and reproducible from its seed") {
  std::mt19937_64 random(5), same(5);
  int64_t least = INT64_MAX, most = 0;
  for (int at = 0; at < 1000; ++at) {
    const int64_t wait = backoff_ns({1000, 8000}, 4, random);
    CHECK(wait == backoff_ns({1000, 8000}, 4, same));
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  CHECK(least < 400);
  CHECK(most > 7600);
  CHECK(most <= 8000);
  CHECK(backoff_ns({1000, 8000}, 4'000'000'000U, random) <= 8000);
}
