#include "agent/cli/device_flags.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "agent/cli/control_client.h"

namespace joulespool::cli {

std::shared_ptr<DeviceFlags> DeviceFlags::add(CLI::App& app) {
  auto flags = std::make_shared<DeviceFlags>();
  flags->settings_ = SettingsFlags::add(app, true);
  app.add_option("--spool", flags->spool_directory_, "Spool directory of the agent to ask. Without it: spool.directory")
      ->type_name("DIR");
  add_json_flag(app, flags->json);
  app.add_option("--sysfs-root", flags->roots.sysfs, "")->group("");  // an empty group hides it
  app.add_option("--dev-root", flags->roots.dev, "")->group("");
  app.add_option("--udev-root", flags->roots.udev, "")->group("");
  return flags;
}

Result<config::LoadedSettings> DeviceFlags::load(const Surroundings& surroundings) const {
  auto loaded = settings_->load(surroundings);
  if (loaded && !spool_directory_.empty()) loaded->settings.spool.directory = spool_directory_;
  return loaded;
}

Result<nlohmann::json> ask_status(const std::string& spool_directory, Clock& clock) {
  const auto answer = ask_agent(spool_directory, "status", agent_patience_ms, clock);
  if (!answer) return answer.error();
  auto document = nlohmann::json::parse(*answer, nullptr, false);
  if (document.is_discarded()) return Error{Errc::damaged, "the agent's answer is no JSON"};
  return document;
}

}  // namespace joulespool::cli
