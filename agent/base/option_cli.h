// The rows of an option table as flags of a command.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/option_table.h"

namespace CLI {
class App;
}

namespace joulespool {

using OptionFlags = std::vector<std::pair<std::string, std::string>>;

// Adds --<key> for every row to `app`, grouped by the first part of the key, with default, unit and range in the help text.
// While `app` parses, what was given is appended to `flags` as text (OptionSources::flags), which must outlive the parsing.
// A flag of a boolean row may come without a value.
void add_option_flags(CLI::App& app, const OptionTable& table, OptionFlags& flags);

// Adds --config, the path of a file of settings; `variable` and `default_path` are for the help text (find_config_file() is what
// looks there). `path` must outlive the parsing.
void add_config_flag(CLI::App& app, std::string_view variable, std::string_view default_path, std::string& path);

}  // namespace joulespool
