#include <CLI/CLI.hpp>

#include "cloud-bridge/cli/command.h"

namespace joulespool::bridge_cli {

namespace {

const OptionTable& reading_options() {
  static const OptionTable table = [] {
    OptionTable rows;
    for (const OptionRow& row : bridge::bridge_options())
      if (row.key == "kinesis.region" || row.key == "kinesis.endpoint" || row.key == "kinesis.stream" || row.key == "kinesis.timeout-ms")
        rows.push_back(row);
    return rows;
  }();
  return table;
}

}  // namespace

std::shared_ptr<SettingsFlags> SettingsFlags::add(CLI::App& app, Which which) {
  auto flags = std::make_shared<SettingsFlags>();
  app.add_option("--config", flags->config_file_,
                 "Settings (TOML). Without it: " + std::string(bridge::config_file_variable) + " of the environment, else " +
                     std::string(bridge::config_file_default) + " if it is there")
      ->type_name("FILE");
  add_option_flags(app, which == Which::all ? bridge::bridge_options() : reading_options(), flags->flags_);
  return flags;
}

Result<bridge::BridgeSettings> SettingsFlags::load(const Surroundings& surroundings) const {
  return bridge::load_bridge_settings({config_file_, surroundings.environment, flags_});
}

}  // namespace joulespool::bridge_cli
