#include "agent/signal/clock_watch.h"

#include <doctest/doctest.h>

#include <vector>

#include "agent/base/clock.h"

namespace {

using namespace joulespool;
using signal::ClockWatch;
using wire::TimeAxis;
using wire::UtcMap;
using wire::UtcQuality;

constexpr TimeAxis axis{7, 2'000'000, 2};
constexpr int64_t tolerance_ns = 5 * ns_per_ms;
constexpr int64_t now_ns = 1'700'000'000 * ns_per_s;

constexpr UtcMap map_at(int64_t utc_ns, UtcQuality quality = UtcQuality::host, double rate_hz = 2e6) {
  return {0, utc_ns, rate_hz, quality};
}

struct Step {
  const char* what;
  UtcMap map;
  bool told;
  int64_t last_ns;  // ClockWatch::last_correction_ns() behind it
};

}  // namespace

TEST_CASE("clock watch: what is told, step by step") {
  const std::vector<Step> steps = {
      {"the first map of an axis is not news", map_at(now_ns, UtcQuality::unsynchronised), false, 0},
      {"the host gets the time", map_at(now_ns + 1000 * ns_per_s), true, 1000 * ns_per_s},
      {"the same map", map_at(now_ns + 1000 * ns_per_s), false, 1000 * ns_per_s},
      {"just the tolerance", map_at(now_ns + 1000 * ns_per_s + tolerance_ns), false, 1000 * ns_per_s},
      {"one more, in all", map_at(now_ns + 1000 * ns_per_s + tolerance_ns + 1), true, tolerance_ns + 1},
      {"back again", map_at(now_ns + 1000 * ns_per_s), true, -tolerance_ns - 1},
      {"a block without a map", map_at(0, UtcQuality::unknown, 0), false, -tolerance_ns - 1},
      {"and as before", map_at(now_ns + 1000 * ns_per_s), false, -tolerance_ns - 1},
      {"the instrument's own time, near the host's", map_at(now_ns + 1000 * ns_per_s + 7, UtcQuality::instrument), true, 7},
      {"a map that says nothing of the rate", map_at(now_ns, UtcQuality::instrument, 0), true, -1000 * ns_per_s - 7},
  };
  ClockWatch watch(tolerance_ns);
  UtcMap told = steps.front().map;
  for (const Step& step : steps) {
    CAPTURE(step.what);
    const auto corrected = watch.on_block(axis, 0, step.map);
    REQUIRE(corrected.has_value() == step.told);
    CHECK(watch.last_correction_ns() == step.last_ns);
    if (!corrected) continue;
    CHECK(corrected->before == told);
    CHECK(corrected->after == step.map);
    told = step.map;
  }
  CHECK(watch.corrections() == 5);
}

TEST_CASE("clock watch: a slow drift is told each time it adds up to the tolerance") {
  ClockWatch watch(tolerance_ns);
  const double fast_hz = 2e6 * (1 + 50e-6);  // 50 ppm: 5 ms in 100 s
  uint64_t told = 0;
  for (uint64_t second = 0; second < 1000; ++second) {
    const auto utc_ns = now_ns + static_cast<int64_t>(static_cast<double>(second) * 2e6 / fast_hz * 1e9);
    if (watch.on_block(axis, second * 2'000'000, {second * 2'000'000, utc_ns, 2e6, UtcQuality::host})) ++told;
  }
  CHECK(told == 9);
  CHECK(watch.corrections() == 9);
  CHECK(watch.last_correction_ns() == doctest::Approx(-5.05e6).epsilon(0.02));
}

TEST_CASE("clock watch: maps are compared at the block, not where they begin") {
  ClockWatch watch(tolerance_ns);
  CHECK_FALSE(watch.on_block(axis, 0, map_at(now_ns)));
  const UtcMap later{2'000'000'000, now_ns + 1000 * ns_per_s, 2e6, UtcQuality::host};  // the same line, another point of it
  CHECK_FALSE(watch.on_block(axis, 2'000'000'000, later));
  const UtcMap faster{0, now_ns, 2e6 * (1 - 10e-6), UtcQuality::host};
  CHECK_FALSE(watch.on_block(axis, 2'000'000, faster));            // 10 us apart after 1 s
  CHECK(watch.on_block(axis, uint64_t{2'000'000} * 600, faster));  // 6 ms after 10 min
}

TEST_CASE("clock watch: a new life of the counter begins silently; a restarted agent goes on with the map told before") {
  ClockWatch watch(tolerance_ns);
  CHECK_FALSE(watch.on_block(axis, 0, map_at(now_ns)));
  CHECK_FALSE(watch.on_block({8, 2'000'000, 2}, 0, map_at(now_ns + ns_per_s)));
  ClockWatch resumed(tolerance_ns);
  resumed.resume(axis, map_at(0, UtcQuality::unsynchronised));
  const auto corrected = resumed.on_block(axis, 1000, map_at(now_ns));
  REQUIRE(corrected);
  CHECK(corrected->before.quality == UtcQuality::unsynchronised);
  CHECK(resumed.last_correction_ns() == now_ns);
}

TEST_CASE("clock watch: the first map after blocks without one is told, but is no step") {
  ClockWatch watch(tolerance_ns);
  CHECK_FALSE(watch.on_block(axis, 0, {}));
  CHECK_FALSE(watch.on_block(axis, 100, {}));
  const auto corrected = watch.on_block(axis, 200, map_at(now_ns));
  REQUIRE(corrected);
  CHECK(corrected->before.quality == UtcQuality::unknown);
  CHECK(watch.last_correction_ns() == 0);
}

TEST_CASE("clock watch: maps as far apart as numbers go are a correction, not an overflow") {
  ClockWatch watch(tolerance_ns);
  CHECK_FALSE(watch.on_block(axis, 0, map_at(INT64_MIN)));
  CHECK(watch.on_block(axis, UINT64_MAX, map_at(INT64_MAX)));
  CHECK(watch.last_correction_ns() > 0);
}
