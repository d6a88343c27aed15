#include <algorithm>
#include <array>

#include "agent/base/option_rows.h"
#include "agent/config/option_rules.h"

namespace joulespool::config {
namespace {

using rows::boolean, rows::choice, rows::integer, rows::list, rows::number, rows::text;

constexpr double duration_s_max = 1e9;  // 30 years

Status check_packed(const OptionValue& value) {
  constexpr std::array<std::string_view, 6> known = {"range", "gpi0", "gpi1", "gpi2", "gpi3", "trigger"};
  for (const std::string& signal : std::get<std::vector<std::string>>(value))
    if (std::find(known.begin(), known.end(), signal) == known.end())
      return Error{Errc::usage, "must be of range, gpi0, gpi1, gpi2, gpi3, trigger"};
  return {};
}

Status check_patterns(const OptionValue& value) {
  const auto& patterns = std::get<std::vector<std::string>>(value);
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-*";
  for (const std::string& pattern : patterns)
    if (pattern.empty() || pattern.find_first_not_of(allowed) != std::string::npos)
      return Error{Errc::usage, "must be device ids like js220-001122, or patterns like js220-* (a-z, 0-9, '-', '*')"};
  if (patterns.empty()) return Error{Errc::usage, "must name at least one device or pattern; \"*\" is all"};
  return {};
}

OptionTable make_table() {
  return {
      choice("source", "simulated", {"simulated", "replay", "joulescope"},
             "Where the samples come from; joulescope: instruments on this host's USB."),
      list("devices", {"*"},
           "joulescope: which instruments, by id or pattern: js220-001122, js220-*, *. The first [[device]] that matches counts.",
           check_patterns),
      choice("model", "js220", {"js110", "js220"}, "simulated, replay: model of the device, first half of its id."),
      text("serial", "000001", "simulated, replay: serial number, second half of the device's id: a-z, 0-9 and '-'.",
           check_not_empty),
      integer(
          "rate-hz", "Hz", 0, 0, 2e6,
          "Samples per second; 0: the model's full rate (js110 2 MHz, js220 and js320 1 MHz). joulescope: of 1, 2, 5, 10, ..."),
      choice("current-range", "", {"", "auto", "10A", "2A", "180mA", "18mA", "1.8mA", "180uA", "18uA"},
             "joulescope: set on opening. Empty: never written, the instrument keeps its own. 2A: js110 only."),
      choice("voltage-range", "", {"", "auto", "15V", "5V", "2V"},
             "joulescope: set on opening. Empty: never written. js110: 15V, 5V; js220 and js320: auto, 15V, 2V."),
      boolean("power-safe", false,
              "joulescope: open without a reset to defaults, so that a powered device under test keeps its power."),
      list("packed", {"range", "gpi0"},
           "simulated, joulescope: signals beside current and voltage, of range, gpi0, gpi1, gpi2, gpi3, trigger (js110: range, "
           "gpi0, gpi1; trigger: joulescope only).",
           check_packed),
      text("origin", "", "simulated, replay: UTC time of sample_id 0, so that counting goes on over restarts. Empty: now.",
           check_utc_or_empty),
      number("duration-s", "s", 0, 0, duration_s_max, "simulated, replay: ends after that much of the device's time; 0: never."),
      boolean("unpaced", false, "simulated, replay: as fast as the agent takes it instead of in real time."),
      integer("seed", "", 1, 0, 9007199254740992, "simulated: every sample follows from the seed and its sample_id."),  // 2^53
      choice("load", "sleep-ble", {"sleep-ble", "cpu", "constant", "ranges"}, "simulated: what the device under test does."),
      text("faults", "",
           "simulated: what goes wrong at which sample_id: drop:1000-3000; lose:every=4000000/length=200000; nan:0-64."),
      text("current-file", "", "replay: recorded current, float32 little-endian in A; a name that ends with .zst is compressed."),
      text("voltage-file", "", "replay: recorded voltage in V, as many values. Empty: voltage-v."),
      number("voltage-v", "V", 0, -1000, 1000, "replay: constant voltage where there is no voltage-file."),
      text("power-file", "", "replay: recorded power in W, as many values. Empty: current times voltage."),
      boolean("loop", false, "replay: begin again at the end, with sample_id going on."),
  };
}

}  // namespace

const OptionTable& device_options() {
  static const OptionTable table = make_table();
  return table;
}

}  // namespace joulespool::config
