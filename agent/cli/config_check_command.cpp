#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>

#include "agent/app/sources.h"
#include "agent/cli/settings_flags.h"

namespace joulespool::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The file alone: the environment of whoever asks is not that of the agent.
Result<ExitCode> check(const std::string& file, bool json, const Surroundings& surroundings) {
  config::SettingsSources sources;
  sources.file = file;
  auto loaded = config::load_settings(sources);
  if (loaded)
    if (const Status possible = app::check_sources(loaded->settings); !possible) loaded = possible.error();
  if (json) {
    const nlohmann::json document = {{"version", json_version},
                                     {"file", file},
                                     {"valid", loaded.ok()},
                                     {"problems", loaded ? std::vector<std::string>() : lines_of(loaded.error().message)}};
    surroundings.out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return loaded ? exit_ok : exit_usage;
  }
  if (!loaded) return loaded.error();
  surroundings.out << file << ": valid, " << loaded->devices.size() << (loaded->devices.size() == 1 ? " device" : " devices")
                   << '\n';
  return exit_ok;
}

}  // namespace

Action add_config_check(CLI::App& app, const Surroundings& surroundings) {
  const auto file = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  app.add_option("FILE", *file, "Settings (TOML)")->required();
  add_json_flag(app, *json);
  return [file, json, &surroundings] { return check(*file, *json, surroundings); };
}

}  // namespace joulespool::cli
