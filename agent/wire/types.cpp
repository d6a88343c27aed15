#include "agent/wire/types.h"

#include <algorithm>
#include <cmath>

#include "agent/base/clock.h"
#include "agent/base/int128.h"

namespace joulespool::wire {

std::string_view to_string(Lane lane) {
  switch (lane) {
    case Lane::event: return "event";
    case Lane::stat: return "stat";
    case Lane::wave: return "wave";
  }
  return "?";
}

std::string_view to_string(UtcQuality quality) {
  switch (quality) {
    case UtcQuality::unknown: return "unknown";
    case UtcQuality::unsynchronised: return "unsynchronised";
    case UtcQuality::host: return "host";
    case UtcQuality::instrument: return "instrument";
  }
  return "?";
}

std::optional<Lane> parse_lane(std::string_view text) {
  for (const Lane lane : lanes)
    if (to_string(lane) == text) return lane;
  return std::nullopt;
}

bool is_valid_id(std::string_view id) {
  if (id.empty() || id.size() > 63 || id.front() == '-') return false;
  for (const char c : id)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  return true;
}

DeviceIdentity device_identity(std::string_view model, std::string_view serial) {
  std::string id = std::string(model) + "-" + std::string(serial);
  for (char& c : id)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return {id, std::string(model), std::string(serial)};
}

// A map may come from outside and say anything: what does not fit becomes the nearest that does.
int64_t UtcMap::utc_ns_at(uint64_t id) const {
  if (!(counter_rate_hz > 0) || std::isinf(counter_rate_hz)) return utc_ns;
  const auto ticks = static_cast<double>(static_cast<int64_t>(id - sample_id));  // wraps to the signed difference
  const double whole = std::trunc(ticks / counter_rate_hz);
  if (!(std::fabs(whole) < 9e9)) return whole < 0 ? INT64_MIN : INT64_MAX;
  const double rest = std::fma(-whole, counter_rate_hz, ticks);  // exact: keeps ns over years
  const int128 ns = int128{utc_ns} + int128{static_cast<int64_t>(whole)} * ns_per_s + std::llround(rest * 1e9 / counter_rate_hz);
  return static_cast<int64_t>(std::clamp(ns, int128{INT64_MIN}, int128{INT64_MAX}));
}

uint64_t UtcMap::sample_id_at(int64_t at_utc_ns) const {
  const double ticks = static_cast<double>(int128{at_utc_ns} - utc_ns) * counter_rate_hz / 1e9;
  if (!(std::fabs(ticks) < 9e18)) return ticks > 0 ? UINT64_MAX : 0;
  const int128 at = int128{sample_id} + std::llround(ticks);
  return static_cast<uint64_t>(std::clamp(at, int128{0}, int128{UINT64_MAX}));
}

}  // namespace joulespool::wire
