#include "tests/support/standin/instrument_clock.h"

#include <cmath>

#include "agent/base/clock.h"
#include "agent/base/int128.h"

namespace joulespool::standin {
namespace {

constexpr int64_t epoch_utc_s = 1'514'764'800;  // 2018-01-01, the driver's year zero

int64_t driver_time(int64_t utc_ns) {
  const int128 since = static_cast<int128>(utc_ns) - static_cast<int128>(epoch_utc_s) * ns_per_s;
  return static_cast<int64_t>(since * (int64_t{1} << 30) / ns_per_s);
}

}  // namespace

InstrumentClock::InstrumentClock(const DevicePlan& plan, uint32_t counter_rate_hz, HostTime now)
    : is_js110_(plan.is_js110()),
      counter_rate_hz_(counter_rate_hz),
      speed_(plan.speed),
      counter_start_(is_js110_ ? 0 : plan.counter_start),
      origin_{now.monotonic_ns - (now.utc_ns - plan.powered_utc_ns), plan.powered_utc_ns} {}

void InstrumentClock::restart(HostTime now) {
  origin_ = now;
  slides_.clear();
}

uint64_t InstrumentClock::ticks_at(int64_t monotonic_ns) const {
  if (monotonic_ns <= origin_.monotonic_ns) return counter_start_;
  const auto elapsed = static_cast<long double>(monotonic_ns - origin_.monotonic_ns);
  return counter_start_ + static_cast<uint64_t>(elapsed * counter_rate_hz_ * static_cast<long double>(speed_) / 1e9L);
}

uint64_t InstrumentClock::slide_before(uint64_t sample_id) const {
  uint64_t ticks = 0;
  for (const auto& [from, slide] : slides_)
    if (from <= sample_id) ticks = slide;
  return ticks;
}

device::abi::TimeMap InstrumentClock::map_at(uint64_t sample_id, const DevicePlan& plan) const {
  const uint64_t second = (sample_id - std::min(sample_id, counter_start_)) / counter_rate_hz_;
  const uint64_t anchor = counter_start_ + second * counter_rate_hz_;
  const uint64_t minute = uint64_t{60} * counter_rate_hz_;
  const uint64_t slide = anchor < minute ? 0 : slide_before(anchor - minute);
  const double true_rate_hz = counter_rate_hz_ * speed_ * (1 + plan.map_drift_ppm * 1e-6);
  const auto since_origin = static_cast<long double>(anchor - counter_start_ + slide) / static_cast<long double>(true_rate_hz);
  int64_t utc_ns = (plan.clock_1970 ? 0 : origin_.utc_ns) + std::llroundl(since_origin * 1e9L);
  for (const MapStep& step : plan.map_steps)
    if (sample_id >= step.tick) utc_ns += step.ns;
  return {driver_time(utc_ns), anchor, is_js110_ ? counter_rate_hz_ : true_rate_hz};
}

}  // namespace joulespool::standin
