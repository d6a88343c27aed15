#include "cloud-bridge/cli/settings_flags.h"

namespace joulespool::bridge_cli {

namespace {

const OptionTable& reading_options() {
  static const OptionTable table = [] {
    OptionTable rows;
    for (const OptionRow& row : bridge::bridge_options())
      if (row.key == "kinesis.region" || row.key == "kinesis.endpoint" || row.key == "kinesis.stream" ||
          row.key == "kinesis.timeout-ms")
        rows.push_back(row);
    return rows;
  }();
  return table;
}

}  // namespace

std::shared_ptr<SettingsFlags> SettingsFlags::add(CLI::App& app, Which which) {
  auto flags = std::make_shared<SettingsFlags>();
  add_config_flag(app, bridge::config_file_variable, bridge::config_file_default, flags->config_file_);
  add_option_flags(app, which == Which::all ? bridge::bridge_options() : reading_options(), flags->flags_);
  return flags;
}

Result<bridge::BridgeSettings> SettingsFlags::load(const Surroundings& surroundings) const {
  return bridge::load_bridge_settings({config_file_, surroundings.environment, flags_});
}

}  // namespace joulespool::bridge_cli
