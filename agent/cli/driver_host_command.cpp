#include <CLI/CLI.hpp>
#include <memory>

#include "agent/cli/command.h"
#include "agent/device/driver_host.h"
#include "agent/device/joulescope_source.h"

namespace joulespool::cli {

Action add_driver_host(CLI::App& app, const Surroundings& surroundings) {
  const auto instrument = std::make_shared<std::string>();
  app.add_option("INSTRUMENT", *instrument, "Whose process it is, for people who look at a list of processes");
  return [instrument, &surroundings]() -> Result<ExitCode> {
    const auto make_source = [](Clock& clock, device::JoulescopeSettings settings) -> std::unique_ptr<device::SampleSource> {
      return std::make_unique<device::JoulescopeSource>(clock, std::move(settings));
    };
    JOULESPOOL_TRY(device::run_driver_host(surroundings.clock, make_source), device::driver_host_command);
    return exit_ok;
  };
}

}  // namespace joulespool::cli
