#include "agent/config/option_rules.h"

namespace joulespool::config {
namespace {

constexpr double year_s = 366.0 * 86400;

OptionRow row(std::string key, OptionType type, OptionValue value, std::string doc) {
  OptionRow made;
  made.key = std::move(key);
  made.type = type;
  made.value = std::move(value);
  made.doc = std::move(doc);
  return made;
}

OptionRow choice(std::string key, std::string value, std::vector<std::string> choices, std::string doc) {
  OptionRow made = row(std::move(key), OptionType::choice, std::move(value), std::move(doc));
  made.choices = std::move(choices);
  return made;
}

OptionRow number(std::string key, std::string unit, double min, double max, std::string doc) {
  OptionRow made = row(std::move(key), OptionType::number, 0.0, std::move(doc));
  made.unit = std::move(unit);
  made.min = min;
  made.max = max;
  return made;
}

OptionRow checked(OptionRow made, std::function<Status(const OptionValue&)> check) {
  made.check = std::move(check);
  return made;
}

OptionRow text(std::string key, std::string value, std::string doc) {
  return row(std::move(key), OptionType::text, std::move(value), std::move(doc));
}

OptionRow flag(std::string key, std::string doc) { return row(std::move(key), OptionType::boolean, false, std::move(doc)); }

OptionRow seed() {
  OptionRow made = row("seed", OptionType::integer, int64_t{1}, "simulated: every sample follows from the seed and its sample_id.");
  made.max = 9007199254740992;  // 2^53
  return made;
}

OptionTable make_table() {
  return {
      choice("source", "simulated", {"simulated", "replay", "joulescope"},
             "Where the samples come from. joulescope (the instrument itself) is reserved: this version cannot open one."),
      choice("model", "js220", {"js110", "js220"}, "Model of the device, first half of its id."),
      checked(text("serial", "000001", "Serial number, second half of the device's id: a-z, 0-9 and '-'."), check_not_empty),
      number("rate-hz", "Hz", 0, 2e6, "Samples per second; 0: the model's full rate (js110 2 MHz, js220 1 MHz)."),
      checked(text("origin", "", "UTC time of sample_id 0, so that counting goes on over restarts. Empty: now."), check_utc_or_empty),
      number("duration-s", "s", 0, 100 * year_s, "Ends after that much of the device's time; 0: never."),
      flag("packed", "General purpose inputs and the current range too."),
      flag("unpaced", "As fast as the agent takes it instead of in real time."),
      seed(),
      choice("load", "sleep-ble", {"sleep-ble", "cpu", "constant", "ranges"}, "simulated: what the device under test does."),
      text("faults", "", "simulated: what goes wrong, and when. Empty: nothing."),
      text("current-file", "", "replay: recorded current, float32 little-endian in A; a name that ends with .zst is compressed."),
      text("voltage-file", "", "replay: recorded voltage in V, as many values. Empty: voltage-v."),
      number("voltage-v", "V", -1000, 1000, "replay: constant voltage where there is no voltage-file."),
      text("power-file", "", "replay: recorded power in W, as many values. Empty: current times voltage."),
      flag("loop", "replay: begin again at the end, with sample_id going on."),
  };
}

}  // namespace

const OptionTable& device_options() {
  static const OptionTable table = make_table();
  return table;
}

}  // namespace joulespool::config
