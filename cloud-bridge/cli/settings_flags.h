// Where the settings of a command come from.
#pragma once

#include <memory>
#include <string>

#include "agent/base/command_line.h"
#include "agent/base/option_cli.h"
#include "cloud-bridge/app/bridge_settings.h"

namespace joulespool::bridge_cli {

// --config and one flag for every setting of the bridge, or only for those that reading a stream needs.
class SettingsFlags {
 public:
  enum class Which { all, reading };
  static std::shared_ptr<SettingsFlags> add(CLI::App& app, Which which);
  [[nodiscard]] Result<bridge::BridgeSettings> load(const Surroundings& surroundings) const;

 private:
  std::string config_file_;
  OptionFlags flags_;
};

}  // namespace joulespool::bridge_cli
