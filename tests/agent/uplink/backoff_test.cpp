#include "agent/uplink/backoff.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace joulespool::uplink {
namespace {

TEST_CASE("backoff: waits lie below a limit that doubles up to the maximum") {
  Backoff backoff({.first_ns = 200 * ns_per_ms, .max_ns = 30 * ns_per_s}, 1);
  int64_t limit_ns = 200 * ns_per_ms;
  for (unsigned attempt = 0; attempt < 100; ++attempt) {
    CHECK(backoff.attempts() == attempt);
    const int64_t wait_ns = backoff.next_ns();
    CHECK(wait_ns >= 0);
    CHECK(wait_ns <= limit_ns);
    limit_ns = std::min(2 * limit_ns, 30 * ns_per_s);
  }
  backoff.reset();
  CHECK(backoff.attempts() == 0);
  CHECK(backoff.next_ns() <= 200 * ns_per_ms);
}

TEST_CASE("backoff: the jitter is full and spread evenly") {
  Backoff backoff({.first_ns = ns_per_s, .max_ns = ns_per_s}, 42);
  int in_quarter[4] = {};
  for (int i = 0; i < 4000; ++i) ++in_quarter[std::min<int64_t>(3, backoff.next_ns() * 4 / ns_per_s)];
  for (const int count : in_quarter) {
    CHECK(count > 850);
    CHECK(count < 1150);
  }
}

TEST_CASE("backoff: the same seed gives the same waits, another seed others") {
  Backoff a({}, 7), b({}, 7), c({}, 8);
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const int64_t wait_ns = a.next_ns();
    CHECK(b.next_ns() == wait_ns);
    differs = differs || c.next_ns() != wait_ns;
  }
  CHECK(differs);
}

}  // namespace
}  // namespace joulespool::uplink
