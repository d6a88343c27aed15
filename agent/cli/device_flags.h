// What the commands about devices share: the settings, where the agent's door is, and trees of the machine for tests.
#pragma once

#include "agent/app/doctor_facts.h"
#include "agent/cli/live_reading.h"
#include "agent/cli/settings_flags.h"

namespace joulespool::cli {

constexpr int64_t agent_patience_ms = 5000;

class DeviceFlags {
 public:
  // --config, all settings, --spool, --json, and hidden: --sysfs-root, --dev-root, --udev-root.
  static std::shared_ptr<DeviceFlags> add(CLI::App& app);

  [[nodiscard]] Result<config::LoadedSettings> load(const Surroundings& surroundings) const;
  [[nodiscard]] std::string settings_file(const Surroundings& surroundings) const { return settings_->file(surroundings); }

  bool json = false;
  app::MachineRoots roots;

 private:
  std::shared_ptr<SettingsFlags> settings_;
  std::string spool_directory_;
};

// The status of the agent that runs with this spool. Errors: unreachable (none runs), damaged (no JSON).
Result<nlohmann::json> ask_status(const std::string& spool_directory, Clock& clock);

}  // namespace joulespool::cli
