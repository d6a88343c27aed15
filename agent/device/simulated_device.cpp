#include "agent/device/simulated_device.h"

#include <cmath>
#include <optional>
#include <set>

#include "agent/base/clock.h"
#include "agent/device/load_model.h"

namespace joulespool::device {
namespace {

constexpr uint32_t full_rate_hz(bool is_js110) { return is_js110 ? 2'000'000 : 1'000'000; }

Error wrong(const std::string& what, const std::string& allowed) { return {Errc::usage, what + ": must be " + allowed}; }

bool is_1_2_5_rate(uint32_t rate_hz) {
  if (rate_hz == 0) return false;
  while (rate_hz % 10 == 0) rate_hz /= 10;
  return rate_hz == 1 || rate_hz == 2 || rate_hz == 5;
}

std::optional<signal::SignalId> parse_packed(const std::string& name, bool is_js110) {
  if (name == "range") return signal::SignalId::current_range;
  for (int input = 0; input < (is_js110 ? 2 : 4); ++input)
    if (name == "gpi" + std::to_string(input)) return static_cast<signal::SignalId>(16 + input);
  return std::nullopt;
}

Status validate_rate(const SimulatedDevice& settings) {
  const uint32_t full = full_rate_hz(settings.model == "js110");
  const uint32_t rate = settings.sample_rate_hz;
  if (rate == 0 || (is_1_2_5_rate(rate) && rate <= full)) return {};
  return wrong("sample_rate_hz = " + std::to_string(rate),
               "0 (full rate) or one of 1, 2, 5, 10, 20, 50, ... up to " + std::to_string(full));
}

Status validate_packed(const SimulatedDevice& settings) {
  const bool is_js110 = settings.model == "js110";
  std::set<std::string> seen;
  for (const std::string& name : settings.packed)
    if (!parse_packed(name, is_js110) || !seen.insert(name).second)
      return wrong("packed signal \"" + name + "\"",
                   std::string("one of range, gpi0, gpi1") + (is_js110 ? "" : ", gpi2, gpi3") + ", each once");
  return {};
}

Status validate_all(const SimulatedDevice& settings) {
  if (Status status = validate_identity(settings.model, settings.serial); !status) return status;
  if (settings.model != "js110" && settings.model != "js220")
    return wrong("model = \"" + settings.model + "\"", "js110 or js220");
  if (!parse_load(settings.load)) return wrong("load = \"" + settings.load + "\"", "one of " + std::string(load_names));
  if (Status status = validate_times(settings.origin_utc_ns, settings.duration_s, settings.block_ms); !status) return status;
  if (Status status = validate_rate(settings); !status) return status;
  if (Status status = validate_packed(settings); !status) return status;
  return validate(settings.faults);
}

}  // namespace

Status validate_identity(const std::string& model, const std::string& serial) {
  if (!model.empty() && !serial.empty() && wire::is_valid_id(model + "-" + serial)) return {};
  return wrong("model \"" + model + "\", serial \"" + serial + "\"",
               "not empty, of a-z, 0-9 and '-' only, together at most 62 characters, and not begin with '-'");
}

Status validate_times(int64_t origin_utc_ns, double duration_s, uint32_t block_ms) {
  if (origin_utc_ns < 0) return wrong("origin_utc_ns = " + std::to_string(origin_utc_ns), "0 (at start) or a time after 1970");
  if (!(duration_s >= 0 && duration_s <= duration_s_max))
    return wrong("duration_s = " + std::to_string(duration_s), "0 (endless) or up to 1e9");
  if (block_ms < 1 || block_ms > block_ms_max)
    return wrong("block_ms = " + std::to_string(block_ms), "1.." + std::to_string(block_ms_max));
  return {};
}

uint64_t duration_ticks(double duration_s, const wire::TimeAxis& axis) {
  if (duration_s == 0) return endless;
  const auto ticks = static_cast<uint64_t>(std::llround(duration_s * axis.counter_rate_hz));
  return ticks - ticks % axis.decimation;
}

Status validate(const SimulatedDevice& settings) {
  JOULESPOOL_TRY(validate_all(settings), "simulated device " + settings.identity().id);
  return {};
}

wire::TimeAxis time_axis(const SimulatedDevice& settings) {
  const uint32_t rate = settings.sample_rate_hz == 0 ? full_rate_hz(settings.model == "js110") : settings.sample_rate_hz;
  return {0, simulated_counter_rate_hz, simulated_counter_rate_hz / rate};
}

uint64_t sample_id_limit(const SimulatedDevice& settings) { return duration_ticks(settings.duration_s, time_axis(settings)); }

std::vector<signal::SignalId> packed_signals(const SimulatedDevice& settings) {
  std::vector<signal::SignalId> signals;
  for (const std::string& name : settings.packed)
    if (const auto signal = parse_packed(name, settings.model == "js110")) signals.push_back(*signal);
  return signals;
}

uint32_t packed_decimation(const SimulatedDevice& settings) {
  return settings.model == "js110" ? time_axis(settings).decimation : 1;
}

}  // namespace joulespool::device
