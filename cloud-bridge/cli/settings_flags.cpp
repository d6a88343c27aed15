#include <CLI/CLI.hpp>

#include "cloud-bridge/cli/command.h"

namespace joulespool::bridge_cli {

std::shared_ptr<SettingsFlags> SettingsFlags::add(CLI::App& app) {
  auto flags = std::make_shared<SettingsFlags>();
  app.add_option("--config", flags->config_file_,
                 "Settings (TOML). Without it: " + std::string(bridge::config_file_variable) + " of the environment, else " +
                     std::string(bridge::config_file_default) + " if it is there")
      ->type_name("FILE");
  add_option_flags(app, bridge::bridge_options(), flags->flags_);
  return flags;
}

Result<bridge::BridgeSettings> SettingsFlags::load(const Surroundings& surroundings) const {
  return bridge::load_bridge_settings({config_file_, surroundings.environment, flags_});
}

}  // namespace joulespool::bridge_cli
