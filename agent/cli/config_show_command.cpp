#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

std::string shown(const OptionRow& row, const OptionValue& value) {
  const std::string text = option_to_text(value);
  return row.secret && !text.empty() ? "***" : text;
}

nlohmann::json to_json(const OptionRow& row, const OptionSetting& setting) {
  nlohmann::json json = {{"key", row.key}, {"unit", row.unit}, {"origin", setting.origin}};
  if (row.secret) json["value"] = shown(row, setting.value);
  else std::visit([&](const auto& value) { json["value"] = value; }, setting.value);
  return json;
}

nlohmann::json to_json(const OptionTable& table, const Options& options) {
  nlohmann::json json = nlohmann::json::array();
  for (const OptionRow& row : table) json.push_back(to_json(row, options.at(row.key)));
  return json;
}

void print(const OptionTable& table, const Options& options, std::ostream& out) {
  TextTable text({"key", "value", "origin"});
  for (const OptionRow& row : table) {
    const OptionSetting& setting = options.at(row.key);
    const bool has_unit = row.type == OptionType::integer || row.type == OptionType::number;
    const std::string unit = has_unit && !row.unit.empty() ? " " + row.unit : "";
    text.add({row.key, printable(shown(row, setting.value)) + unit, setting.origin});
  }
  text.print(out);
}

Result<ExitCode> show(const SettingsFlags& flags, bool json, const Surroundings& surroundings) {
  const auto loaded = flags.load(surroundings);
  if (!loaded) return loaded.error();
  const std::string file = flags.file(surroundings);
  if (json) {
    nlohmann::json document = {
        {"version", json_version}, {"file", file}, {"settings", to_json(config::agent_options(), loaded->options)}};
    document["devices"] = nlohmann::json::array();
    for (const Options& device : loaded->devices) document["devices"].push_back(to_json(config::device_options(), device));
    surroundings.out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return exit_ok;
  }
  surroundings.out << "file: " << (file.empty() ? "none" : file) << "\n\n";
  print(config::agent_options(), loaded->options, surroundings.out);
  for (const Options& device : loaded->devices) {
    surroundings.out << "\ndevice " << device.text("model") << '-' << device.text("serial") << " (" << device.origin() << ")\n";
    print(config::device_options(), device, surroundings.out);
  }
  return exit_ok;
}

}  // namespace

Action add_config_show(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = SettingsFlags::add(app, true);
  const auto json = std::make_shared<bool>(false);
  add_json_flag(app, *json);
  return [flags, json, &surroundings] { return show(*flags, *json, surroundings); };
}

}  // namespace joulespool::cli
