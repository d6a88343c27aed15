#include "tests/support/standin/device_plan.h"

#include <cstdio>
#include <cstdlib>
#include <map>

namespace joulespool::standin {
namespace {

using Setter = bool (*)(DevicePlan&, std::string_view);

bool set_signed(std::string_view text, int64_t& value) {
  const bool negative = text.starts_with('-');
  uint64_t magnitude = 0;
  if (!parse_number(text.substr(negative ? 1 : 0), magnitude)) return false;
  value = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

bool set_real(std::string_view text, double& value) {
  const std::string copy(text);
  char* end = nullptr;
  value = std::strtod(copy.c_str(), &end);
  return !copy.empty() && *end == '\0';
}

template <class Integer>
bool set_integer(std::string_view text, Integer& value) {
  int64_t wide = 0;
  if (!set_signed(text, wide)) return false;
  value = static_cast<Integer>(wide);
  return true;
}

bool set_spans(std::string_view text, TickSpans& spans) {
  const auto parsed = TickSpans::parse(text);
  if (parsed) spans = *parsed;
  return parsed.has_value();
}

bool set_tick(std::string_view text, std::optional<uint64_t>& tick) {
  uint64_t value = 0;
  if (!parse_number(text, value)) return false;
  tick = value;
  return true;
}

bool set_nan(std::string_view text, device::Faults& faults) {
  const auto parsed = device::parse_faults("nan:" + std::string(text));
  if (parsed.ok()) faults.insert(faults.end(), parsed->begin(), parsed->end());
  return parsed.ok();
}

// "TICK:NS", several separated by ';'.
bool add_map_steps(std::string_view text, std::vector<MapStep>& steps) {
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    const size_t colon = item.find(':');
    MapStep step;
    if (colon == item.npos || !parse_number(item.substr(0, colon), step.tick) || !set_signed(item.substr(colon + 1), step.ns))
      return false;
    steps.push_back(step);
  }
  return true;
}

const std::map<std::string, Setter, std::less<>>& setters() {
  static const std::map<std::string, Setter, std::less<>> all = {
      {"model", [](DevicePlan& p, std::string_view t) { return p.model = t, !t.empty(); }},
      {"serial", [](DevicePlan& p, std::string_view t) { return p.serial = t, !t.empty(); }},
      {"seed", [](DevicePlan& p, std::string_view t) { return parse_number(t, p.seed); }},
      {"load", [](DevicePlan& p, std::string_view t) { return p.load = t, !t.empty(); }},
      {"powered_utc_ns", [](DevicePlan& p, std::string_view t) { return set_signed(t, p.powered_utc_ns); }},
      {"counter_start", [](DevicePlan& p, std::string_view t) { return parse_number(t, p.counter_start); }},
      {"speed", [](DevicePlan& p, std::string_view t) { return set_real(t, p.speed) && p.speed > 0; }},
      {"lost", [](DevicePlan& p, std::string_view t) { return set_spans(t, p.lost); }},
      {"lost_i", [](DevicePlan& p, std::string_view t) { return set_spans(t, p.lost_i); }},
      {"lost_v", [](DevicePlan& p, std::string_view t) { return set_spans(t, p.lost_v); }},
      {"skip", [](DevicePlan& p, std::string_view t) { return set_spans(t, p.skip); }},
      {"nan", [](DevicePlan& p, std::string_view t) { return set_nan(t, p.nan); }},
      {"leading_nan", [](DevicePlan& p, std::string_view t) { return set_integer(t, p.leading_nan); }},
      {"map_step", [](DevicePlan& p, std::string_view t) { return add_map_steps(t, p.map_steps); }},
      {"map_drift_ppm", [](DevicePlan& p, std::string_view t) { return set_real(t, p.map_drift_ppm); }},
      {"clock_1970", [](DevicePlan& p, std::string_view t) { return set_integer(t, p.clock_1970); }},
      {"open_rc", [](DevicePlan& p, std::string_view t) { return set_integer(t, p.open_rc); }},
      {"mute", [](DevicePlan& p, std::string_view t) { return set_integer(t, p.mute); }},
      {"mute_after", [](DevicePlan& p, std::string_view t) { return set_tick(t, p.mute_after); }},
      {"crash_at_tick", [](DevicePlan& p, std::string_view t) { return set_tick(t, p.crash_at_tick); }},
      {"deaf", [](DevicePlan& p, std::string_view t) { return set_integer(t, p.deaf); }},
      {"struct_version", [](DevicePlan& p, std::string_view t) { return set_integer(t, p.struct_version); }},
      {"stats_scale", [](DevicePlan& p, std::string_view t) { return set_real(t, p.stats_scale); }},
      {"firmware", [](DevicePlan& p, std::string_view t) { return p.firmware = t, !t.empty(); }},
  };
  return all;
}

bool set_line(DevicePlan& plan, std::string_view line) {
  const size_t equals = line.find('=');
  if (equals == line.npos) return false;
  const auto setter = setters().find(line.substr(0, equals));
  const std::string_view text = line.substr(equals + 1);
  return setter != setters().end() && (text.empty() || setter->second(plan, text));  // empty: as if the line were not there
}

}  // namespace

std::optional<DevicePlan> parse_device_plan(std::string_view text) {
  DevicePlan plan;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || set_line(plan, line)) continue;
    std::fprintf(stderr, "stand-in driver: cannot read \"%.*s\" of an instrument\n", static_cast<int>(line.size()), line.data());
    return std::nullopt;
  }
  if (plan.model.empty() || plan.serial.empty()) return std::nullopt;
  return plan;
}

device::SimulatedDevice simulated_twin(const DevicePlan& plan, uint32_t rate_hz) {
  device::SimulatedDevice twin;
  twin.model = plan.is_js110() ? "js110" : "js220";
  twin.seed = plan.seed;
  twin.load = plan.load;
  twin.sample_rate_hz = rate_hz;
  twin.faults = plan.nan;
  return twin;
}

}  // namespace joulespool::standin
