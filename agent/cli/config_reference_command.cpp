#include <ostream>

#include "agent/cli/settings_flags.h"

namespace joulespool::cli {
namespace {

constexpr std::string_view introduction = R"(# Settings of the agent

<!-- Written by `joulespool config reference`; a test compares this file with it. -->

`joulespool run` takes its settings from, least important first: the defaults below, a TOML file, the environment, and flags.
The file is the one of `--config`, else of `JOULESPOOL_CONFIG`, else `/etc/joulespool/joulespool.toml` if it is there.
A key `spool.budget-bytes` is `budget-bytes` in the table `[spool]` of the file, `JOULESPOOL_SPOOL_BUDGET_BYTES` in the
environment and `--spool.budget-bytes` as a flag. Unknown keys, wrong types and values out of range are errors (exit code 2);
all of them are told at once, with file and line. `joulespool config show` says what is in force and where it came from,
`joulespool config check FILE` checks a file.

Numbers in bytes, us, ms and s may have a suffix: `k` or `kB` (1000), `MB`, `GB`, `KiB` (1024), `MiB`, `GiB`, `TiB`; `us`,
`ms`, `s`, `min`, `h`. In the file that is a text: `budget-bytes = "8GiB"`, `commit-window-ms = "2s"`. A list is a TOML list of
texts, commas separate its elements in the environment, and its flag is given once for each element.

)";

constexpr std::string_view device_introduction = R"(## Devices

One table `[[device]]` in the file for each device, or `--device key=value,key=value`, once for each device; then the file's
devices do not count. A key alone (`--device unpaced`) means true; `;` separates the elements of a list. There is no variable of
the environment for devices.

)";

}  // namespace

Action add_config_reference(CLI::App&, const Surroundings& surroundings) {
  return [&surroundings]() -> Result<ExitCode> {
    std::string text(introduction);
    text += option_reference(config::agent_options(), config::environment_prefix);
    text += device_introduction;
    text += option_reference(config::device_options(), "");
    text.pop_back();  // one newline at the end
    surroundings.out << text;
    return exit_ok;
  };
}

}  // namespace joulespool::cli
