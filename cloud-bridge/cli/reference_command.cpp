#include "cloud-bridge/cli/reference_command.h"

#include <ostream>

#include "cloud-bridge/app/bridge_settings.h"

namespace joulespool::bridge_cli {

Action add_reference(CLI::App&, const Surroundings& surroundings) {
  return [&surroundings]() -> Result<ExitCode> {
    surroundings.out << option_reference(bridge::bridge_options(), bridge::environment_prefix);
    return exit_ok;
  };
}

}  // namespace joulespool::bridge_cli
