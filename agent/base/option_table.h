// Settings as ONE table per program: key, type, unit, default, range and text. Parsing of the TOML file, the environment and
// the command line, validation, --help and the reference page all come from it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/result.h"

namespace joulespool {

// The value of an option. Lists are lists of strings.
using OptionValue = std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

enum class OptionType { boolean, integer, number, text, choice, list };
enum class Reload { live, restart };  // does a change need a restart of the agent

struct OptionRow {
  std::string key;  // "spool.commit-window-ms": TOML table and key, flag --spool.commit-window-ms,
                    // environment JOULESPOOL_SPOOL_COMMIT_WINDOW_MS
  OptionType type = OptionType::text;
  std::string unit;                  // "ms", "bytes", "" for none
  OptionValue value;                 // the default
  double min = 0, max = 0;           // integer and number: inclusive range; both 0: any finite number
  std::vector<std::string> choices;  // choice
  Reload reload = Reload::restart;
  bool secret = false;                                   // shown as ***
  std::string doc;                                       // one sentence or two
  std::function<Status(const OptionValue&)> check = {};  // further rule; its error says what is allowed
};

// Where a value came from: "default", "joulespool.toml:12", "environment JOULESPOOL_X", "flag --x".
struct OptionSetting {
  OptionValue value;
  std::string origin;
};

// Values of all rows of a table; every key of the table is there.
class Options {
 public:
  [[nodiscard]] const OptionSetting& at(std::string_view key) const;  // unknown key: our bug (assert)
  [[nodiscard]] bool boolean(std::string_view key) const { return std::get<bool>(at(key).value); }
  [[nodiscard]] int64_t integer(std::string_view key) const { return std::get<int64_t>(at(key).value); }
  [[nodiscard]] double number(std::string_view key) const { return std::get<double>(at(key).value); }
  [[nodiscard]] const std::string& text(std::string_view key) const { return std::get<std::string>(at(key).value); }
  [[nodiscard]] const std::vector<std::string>& list(std::string_view key) const {
    return std::get<std::vector<std::string>>(at(key).value);
  }
  void set(const std::string& key, OptionSetting setting) { settings_[key] = std::move(setting); }
  // Of one table of an array: "joulespool.toml:14", or the origin given with the inline text.
  [[nodiscard]] const std::string& origin() const { return origin_; }
  void set_origin(std::string origin) { origin_ = std::move(origin); }

 private:
  std::string origin_;
  std::map<std::string, OptionSetting, std::less<>> settings_;
};

using OptionTable = std::vector<OptionRow>;

// What the caller gives, least important first: defaults < file < environment < flags. Numbers with the unit bytes, us, ms or
// s may have a suffix ("8MiB", "2s"), in the file as a text. In the environment, elements of a list are separated by commas.
struct OptionSources {
  std::string file_name;                           // for messages; empty: no file
  std::string file_text;                           // TOML
  std::map<std::string, std::string> environment;  // all of it; only names that begin with `prefix` are looked at
  std::string environment_prefix = "JOULESPOOL_";
  std::vector<std::string> environment_ignored = {};       // names with the prefix that others read; "X_*": all that begin so
  std::vector<std::pair<std::string, std::string>> flags;  // key, text; a list's flag may come several times
  std::vector<std::string> tables_ignored = {};            // names of arrays of tables that the caller reads itself ("device")
};

// All problems at once, one a line: "joulespool.toml:12: spool.budget-bytes = -5: must be 1048576..1099511627776 bytes".
// Unknown keys are errors (with the nearest known key); errors have code usage.
Result<Options> resolve_options(const OptionTable& table, const OptionSources& sources);

// An array of tables ([[device]]) of the same file, each resolved with a table of its own.
Result<std::vector<Options>> resolve_table_array(const OptionTable& table, std::string_view name, const OptionSources& sources);
// The same from text "key=value,key=value" (a repeated flag). `key` alone means true; elements of a list are separated by
// semicolons; values with commas can be given in a file only.
Result<Options> resolve_inline(const OptionTable& table, const std::string& text, const std::string& origin);

std::string option_to_text(const OptionValue& value);
// Markdown for docs/reference: one section per first part of the keys; keys of one part come first and without a heading.
// Without a prefix, no names of the environment are shown.
std::string option_reference(const OptionTable& table, std::string_view environment_prefix);
// "JOULESPOOL_SPOOL_COMMIT_WINDOW_MS".
std::string environment_name(std::string_view prefix, std::string_view key);

}  // namespace joulespool
