// What a subcommand is, and what it gets to work with.
#pragma once

#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/exit_code.h"
#include "agent/base/option_cli.h"
#include "agent/base/result.h"
#include "cloud-bridge/app/bridge_settings.h"

namespace joulespool::bridge_cli {

constexpr int json_version = 1;  // of every --json output; grows when a key changes its meaning or goes

// The process as a command sees it. Outlives every command.
struct Surroundings {
  std::map<std::string, std::string> environment;
  std::ostream& out;  // answers
  std::ostream& err;  // hints; errors are returned
  Clock& clock;
};

// What a command does, after its flags were parsed.
using Action = std::function<Result<ExitCode>()>;

struct Command {
  std::string_view name;
  std::string_view doc;
  // Adds the command's own flags to `app`; what they are parsed into must be kept alive by the action (a shared_ptr).
  Action (*add)(CLI::App& app, const Surroundings& surroundings);
};

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
