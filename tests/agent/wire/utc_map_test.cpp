#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "agent/base/clock.h"
#include "agent/base/int128.h"
#include "agent/wire/types.h"

using namespace joulespool;
using namespace joulespool::wire;

namespace {

constexpr uint64_t year_ticks = 366ULL * 86400 * 2000000;

// utc_ns + round(ticks * 1e9 / rate) in 128-bit integers; the rate is a multiple of 1/1024 Hz.
int64_t reference_utc_ns(const UtcMap& map, uint64_t id) {
  const auto ticks = static_cast<int128>(static_cast<int64_t>(id - map.sample_id));
  const auto rate_1024 = static_cast<int128>(map.counter_rate_hz * 1024);
  const int128 doubled = ticks * ns_per_s * 1024 * 2;
  const int128 rounded = (doubled + (ticks < 0 ? -rate_1024 : rate_1024)) / (2 * rate_1024);
  return static_cast<int64_t>(map.utc_ns + rounded);
}

int64_t distance(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

}  // namespace

TEST_CASE("utc map: within a nanosecond of 128-bit arithmetic over a year at 2 MHz, at any rate near it") {
  std::mt19937_64 random(10);
  for (int round = 0; round < 200; ++round) {
    UtcMap map{random() % year_ticks, 1767225600 * ns_per_s, 2e6, UtcQuality::host};
    if (round > 0)
      map.counter_rate_hz = 2e6 + static_cast<double>(static_cast<int64_t>(random() % 400000) - 200000) / 1024;  // +-100 ppm
    for (int sample = 0; sample < 100; ++sample) {
      const uint64_t id = random() % (2 * year_ticks);
      CAPTURE(map.counter_rate_hz);
      CAPTURE(id);
      CHECK(distance(map.utc_ns_at(id), reference_utc_ns(map, id)) <= 1);
    }
  }
}

TEST_CASE("utc map: time never runs backwards from sample to sample") {
  const UtcMap map{0, 1767225600 * ns_per_s, 1999998.5, UtcQuality::host};
  for (const uint64_t start : {uint64_t{0}, uint64_t{1999990}, year_ticks - 10, year_ticks / 2})
    for (uint64_t id = start; id < start + 100; ++id) CHECK(map.utc_ns_at(id + 1) > map.utc_ns_at(id));
}

TEST_CASE("utc map: samples before the map's own have earlier times") {
  const UtcMap map{2000000, 10 * ns_per_s, 2e6, UtcQuality::host};
  CHECK(map.utc_ns_at(0) == 9 * ns_per_s);
  CHECK(map.utc_ns_at(1999999) == 10 * ns_per_s - 500);
}

TEST_CASE("utc map: the sample of a sample's time is that sample") {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2000; ++round) {
    const UtcMap map{random() % year_ticks, 1767225600 * ns_per_s, 1999998.5 + static_cast<double>(random() % 3),
                     UtcQuality::host};
    const uint64_t id = random() % (2 * year_ticks);
    CHECK(map.sample_id_at(map.utc_ns_at(id)) == id);
  }
}

TEST_CASE("utc map: times before the counter's start are sample 0") {
  const UtcMap map{2000000, 10 * ns_per_s, 2e6, UtcQuality::host};
  CHECK(map.sample_id_at(9 * ns_per_s) == 0);
  CHECK(map.sample_id_at(8 * ns_per_s) == 0);
  CHECK(map.sample_id_at(0) == 0);
}

TEST_CASE("utc map: without a rate there is one time only") {
  const UtcMap map{100, 5, 0, UtcQuality::unknown};
  CHECK(map.utc_ns_at(0) == 5);
  CHECK(map.utc_ns_at(UINT64_MAX) == 5);
}
