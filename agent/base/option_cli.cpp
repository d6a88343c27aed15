#include "agent/base/option_cli.h"

#include <CLI/CLI.hpp>

#include "agent/base/option_value.h"

namespace joulespool {
namespace {

std::string help_text(const OptionRow& row) {
  const std::string value = option_to_text(row.value);
  std::string facts;
  if (row.type != OptionType::text && row.type != OptionType::list) facts = allowed_values(row);
  if (row.type == OptionType::list) facts = "may be repeated";
  if (!value.empty() && !row.secret) facts += (facts.empty() ? "" : "; ") + ("default " + value);
  return facts.empty() ? row.doc : row.doc + " (" + facts + ")";
}

std::string value_name(const OptionRow& row) {
  if (!row.unit.empty()) return row.unit;
  switch (row.type) {
    case OptionType::boolean: return "true|false";
    case OptionType::integer:
    case OptionType::number: return "number";
    default: return "text";
  }
}

std::string group_of(const std::string& key) {
  const size_t dot = key.find('.');
  return dot == std::string::npos ? "general" : key.substr(0, dot);
}

}  // namespace

void add_option_flags(CLI::App& app, const OptionTable& table, OptionFlags& flags) {
  for (const OptionRow& row : table) {
    const bool is_boolean = row.type == OptionType::boolean;
    const auto collect = [&flags, key = row.key, is_boolean](const CLI::results_t& texts) {
      for (const std::string& text : texts) flags.emplace_back(key, is_boolean && text.empty() ? "true" : text);
      return true;
    };
    CLI::Option* option = app.add_option("--" + row.key, collect, help_text(row));
    option->type_name(value_name(row))->group(group_of(row.key))->take_all()->expected(is_boolean ? 0 : 1, 1);
  }
}

void add_config_flag(CLI::App& app, std::string_view variable, std::string_view default_path, std::string& path) {
  app.add_option("--config", path,
                 "Settings (TOML). Without it: " + std::string(variable) + " of the environment, else " +
                     std::string(default_path) + " if it is there")
      ->type_name("FILE");
}

}  // namespace joulespool
