#include "agent/device/joulescope_time.h"

#include <algorithm>
#include <cmath>

#include "agent/base/clock.h"
#include "agent/base/int128.h"
#include "agent/device/tick_hash.h"

namespace joulespool::device {
namespace {

constexpr int64_t driver_epoch_s = 1'514'764'800;  // 2018-01-01 UTC

// How far a counter that went on may be from where time says it is: the driver's messages come late by up to 0.1 s, crystals
// differ by up to 200 ppm.
constexpr double late_s = 0.25;
constexpr double crystal_ratio = 200e-6;
// A jump ahead while streaming that time does not allow for.
constexpr double jump_s = 2;

bool near(double a_s, double b_s) { return std::fabs(a_s - b_s) <= late_s + crystal_ratio * std::fabs(b_s); }

bool is_known(const wire::UtcMap& map) {
  return map.quality == wire::UtcQuality::host || map.quality == wire::UtcQuality::instrument;
}

double seconds(int64_t ns) { return static_cast<double>(ns) / static_cast<double>(ns_per_s); }

}  // namespace

wire::UtcMap utc_map(const abi::TimeMap& map, wire::UtcQuality quality) {
  if (!(map.counter_rate_hz > 0) || std::isinf(map.counter_rate_hz)) return {};
  const int128 ns = (int128{map.offset_time} * ns_per_s >> 30) + int128{driver_epoch_s} * ns_per_s;
  const auto utc_ns = static_cast<int64_t>(std::clamp(ns, int128{INT64_MIN}, int128{INT64_MAX}));
  return {map.offset_counter, utc_ns, map.counter_rate_hz,
          utc_ns < wire::plausible_utc_ns ? wire::UtcQuality::unsynchronised : quality};
}

void CounterLife::resume(const ResumePoint& point) {
  life_ = point.axis.life;
  counter_rate_hz_ = point.axis.counter_rate_hz;
  sample_id_end_ = point.sample_id_end;
  utc_ = point.utc;
  monotonic_ns_.reset();
  interrupted_ = true;
}

bool CounterLife::goes_on(const wire::TimeAxis& axis, const Moment& begin) const {
  if (life_ == 0 || axis.counter_rate_hz != counter_rate_hz_ || begin.sample_id < sample_id_end_) return false;
  const double ahead_s = static_cast<double>(begin.sample_id - sample_id_end_) / axis.counter_rate_hz;
  const double passed_s = monotonic_ns_ ? seconds(begin.monotonic_ns - *monotonic_ns_) : 0;
  if (!interrupted_) return ahead_s <= passed_s + jump_s;
  if (monotonic_ns_ && near(ahead_s, passed_s)) return true;
  return is_known(utc_) && is_known(begin.utc) &&
         near(ahead_s, seconds(begin.utc.utc_ns_at(begin.sample_id) - utc_.utc_ns_at(sample_id_end_)));
}

uint64_t CounterLife::life_of_block(const wire::TimeAxis& axis, const Moment& begin) {
  if (!goes_on(axis, begin)) life_ = life_of(static_cast<uint64_t>(begin.monotonic_ns), begin.realtime_ns, device_);
  counter_rate_hz_ = axis.counter_rate_hz;
  interrupted_ = false;
  return life_;
}

void CounterLife::advance(uint64_t sample_id_end, const Moment& now) {
  sample_id_end_ = sample_id_end;
  monotonic_ns_ = now.monotonic_ns;
  utc_ = now.utc;
}

}  // namespace joulespool::device
