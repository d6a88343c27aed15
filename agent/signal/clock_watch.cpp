#include "agent/signal/clock_watch.h"

#include <algorithm>

namespace joulespool::signal {

using wire::UtcQuality;

namespace {

// Maps come from outside: they may be 2^64 ns apart.
int64_t difference_ns(const wire::UtcMap& before, const wire::UtcMap& after, uint64_t sample_id) {
  const int128 ns = int128{after.utc_ns_at(sample_id)} - before.utc_ns_at(sample_id);
  return static_cast<int64_t>(std::clamp(ns, int128{-INT64_MAX}, int128{INT64_MAX}));
}

}  // namespace

void ClockWatch::resume(const wire::TimeAxis& axis, const wire::UtcMap& told) {
  life_ = axis.life;
  told_ = told;
}

std::optional<wire::ClockCorrected> ClockWatch::on_block(const wire::TimeAxis& axis, uint64_t sample_id,
                                                         const wire::UtcMap& map) {
  if (life_ != axis.life) {
    resume(axis, map);
    return std::nullopt;
  }
  if (map.quality == UtcQuality::unknown || map == told_) return std::nullopt;
  const bool had_map = told_.quality != UtcQuality::unknown;
  const int64_t moved_ns = had_map ? difference_ns(told_, map, sample_id) : 0;
  if (map.quality == told_.quality && moved_ns <= tolerance_ns_ && moved_ns >= -tolerance_ns_) return std::nullopt;
  const wire::ClockCorrected corrected{told_, map};
  told_ = map;
  ++corrections_;
  last_correction_ns_ = moved_ns;
  return corrected;
}

}  // namespace joulespool::signal
