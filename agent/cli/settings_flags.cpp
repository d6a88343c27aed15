#include "agent/cli/settings_flags.h"

#include <CLI/CLI.hpp>

#include "agent/base/config_file.h"
#include "agent/spool/sqlite_spool.h"

namespace joulespool::cli {

std::shared_ptr<SettingsFlags> SettingsFlags::add(CLI::App& app, bool all) {
  auto flags = std::make_shared<SettingsFlags>();
  add_config_flag(app, config::config_file_variable, config::config_file_default, flags->file_);
  if (!all) return flags;
  add_option_flags(app, config::agent_options(), flags->flags_);
  const auto collect = [target = &flags->flags_](const CLI::results_t& texts) {
    for (const std::string& text : texts) target->emplace_back("device", text);
    return true;
  };
  app.add_option("--device", collect, "A device, instead of those of the file; may be repeated (keys: config reference)")
      ->type_name("key=value,...")
      ->take_all()
      ->expected(1);
  return flags;
}

std::string SettingsFlags::file(const Surroundings& surroundings) const {
  return find_config_file(file_, surroundings.environment, config::config_file_variable, config::config_file_default);
}

Result<config::LoadedSettings> SettingsFlags::load(const Surroundings& surroundings, bool finds_file) const {
  config::SettingsSources sources;
  sources.file = finds_file ? file(surroundings) : file_;
  sources.environment = surroundings.environment;
  sources.flags = flags_;
  return config::load_settings(sources);
}

std::shared_ptr<SpoolFlags> SpoolFlags::add(CLI::App& app, bool with_json) {
  auto flags = std::make_shared<SpoolFlags>();
  app.add_option("--spool", flags->directory_, "Spool directory. Without it: spool.directory of the settings")->type_name("DIR");
  flags->settings_ = SettingsFlags::add(app, false);
  if (with_json) add_json_flag(app, flags->json);
  return flags;
}

Result<SpoolFlags::Place> SpoolFlags::place(const Surroundings& surroundings) const {
  if (!directory_.empty() && !settings_->file_given()) return Place{directory_};
  const auto loaded = settings_->load(surroundings);
  if (!loaded) return loaded.error();
  const auto& spool = loaded->settings.spool;
  return Place{directory_.empty() ? spool.directory : directory_, spool.budget_bytes, spool.card_endurance_bytes};
}

Result<std::unique_ptr<spool::SpoolReader>> SpoolFlags::open(const Place& place) {
  auto reader = spool::open_spool_reader(place.directory, spool::ReadMode::snapshot);
  if (!reader && reader.error().code == Errc::not_found) return Error{Errc::unreachable, reader.error().message};
  return reader;
}

void add_json_flag(CLI::App& app, bool& target) { app.add_flag("--json", target, "Answer in JSON"); }

}  // namespace joulespool::cli
