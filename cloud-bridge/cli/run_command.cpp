#include "cloud-bridge/cli/run_command.h"

#include <csignal>

#include "agent/base/log.h"
#include "agent/base/stop_signals.h"
#include "cloud-bridge/app/run_bridge.h"
#include "cloud-bridge/cli/settings_flags.h"

namespace joulespool::bridge_cli {
namespace {

Result<ExitCode> run(const SettingsFlags& flags, const Surroundings& surroundings) {
  const auto settings = flags.load(surroundings);
  if (!settings) return settings.error();
  set_log_level(settings->log_level);
  std::signal(SIGPIPE, SIG_IGN);  // a broken connection is an error of its call
  const StopSignals signals;
  JOULESPOOL_TRY(bridge::run_bridge(*settings, surroundings.clock, signals.token()), "run");
  return exit_ok;
}

}  // namespace

Action add_run(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = SettingsFlags::add(app, SettingsFlags::Which::all);
  return [flags, &surroundings] { return run(*flags, surroundings); };
}

}  // namespace joulespool::bridge_cli
