#include "agent/wire/types.h"

#include <cmath>

#include "agent/base/clock.h"

namespace joulespool::wire {

std::string_view to_string(Lane lane) {
  switch (lane) {
    case Lane::event: return "event";
    case Lane::stat: return "stat";
    case Lane::wave: return "wave";
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

int64_t UtcMap::utc_ns_at(uint64_t id) const {
  if (counter_rate_hz <= 0) return utc_ns;
  const auto ticks = static_cast<int64_t>(id - sample_id);  // wraps to the signed difference
  const auto whole = static_cast<int64_t>(static_cast<double>(ticks) / counter_rate_hz);
  const double rest = std::fma(-static_cast<double>(whole), counter_rate_hz, static_cast<double>(ticks));  // exact: keeps ns over years
  return utc_ns + whole * ns_per_s + std::llround(rest * 1e9 / counter_rate_hz);
}

uint64_t UtcMap::sample_id_at(int64_t at_utc_ns) const {
  const double ticks = static_cast<double>(at_utc_ns - utc_ns) * counter_rate_hz / 1e9;
  const auto rounded = static_cast<int64_t>(std::llround(ticks));
  if (rounded < 0 && static_cast<uint64_t>(-rounded) > sample_id) return 0;
  return sample_id + static_cast<uint64_t>(rounded);
}

}  // namespace joulespool::wire
