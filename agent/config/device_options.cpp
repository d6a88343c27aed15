#include <algorithm>
#include <array>

#include "agent/base/option_rows.h"
#include "agent/config/option_rules.h"

namespace joulespool::config {
namespace {

using rows::boolean, rows::choice, rows::integer, rows::list, rows::number, rows::text;

constexpr double duration_s_max = 1e9;  // 30 years

Status check_packed(const OptionValue& value) {
  constexpr std::array<std::string_view, 5> known = {"range", "gpi0", "gpi1", "gpi2", "gpi3"};
  for (const std::string& signal : std::get<std::vector<std::string>>(value))
    if (std::find(known.begin(), known.end(), signal) == known.end())
      return Error{Errc::usage, "must be of range, gpi0, gpi1, gpi2, gpi3"};
  return {};
}

OptionTable make_table() {
  return {
      choice("source", "simulated", {"simulated", "replay", "joulescope"},
             "Where the samples come from. joulescope (the instrument itself) is reserved: this version cannot open one."),
      choice("model", "js220", {"js110", "js220"}, "Model of the device, first half of its id."),
      text("serial", "000001", "Serial number, second half of the device's id: a-z, 0-9 and '-'.", check_not_empty),
      integer("rate-hz", "Hz", 0, 0, 2e6, "Samples per second; 0: the model's full rate (js110 2 MHz, js220 1 MHz)."),
      text("origin", "", "UTC time of sample_id 0, so that counting goes on over restarts. Empty: now.", check_utc_or_empty),
      number("duration-s", "s", 0, 0, duration_s_max, "Ends after that much of the device's time; 0: never."),
      list("packed", {"range", "gpi0"},
           "simulated: signals beside current and voltage, of range, gpi0, gpi1, gpi2, gpi3 (js110: not the last two).",
           check_packed),
      boolean("unpaced", false, "As fast as the agent takes it instead of in real time."),
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
