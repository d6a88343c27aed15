#include "agent/app/run_agent.h"
#include "agent/base/log.h"
#include "agent/cli/settings_flags.h"

namespace joulespool::cli {
namespace {

Result<ExitCode> run(const SettingsFlags& flags, const Surroundings& surroundings) {
  const auto loaded = flags.load(surroundings);
  if (!loaded) return loaded.error();
  const config::Settings& settings = loaded->settings;
  if (settings.devices.empty())
    return Error{Errc::usage,
                 "no device: add [[device]] to the file, or --device source=joulescope (all instruments on USB), or "
                 "--device source=simulated,model=js220,serial=000001"};
  set_log_level(settings.log_level);
  JOULESPOOL_TRY(app::run_agent(settings), "run");
  return exit_ok;
}

}  // namespace

Action add_run(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = SettingsFlags::add(app, true);
  return [flags, &surroundings] { return run(*flags, surroundings); };
}

}  // namespace joulespool::cli
