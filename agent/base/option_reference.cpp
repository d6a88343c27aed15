#include <algorithm>

#include "agent/base/option_table.h"
#include "agent/base/option_value.h"

namespace joulespool {
namespace {

std::string first_part(const std::string& key) {
  const size_t dot = key.find('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

std::vector<std::string> sections_of(const OptionTable& table) {
  std::vector<std::string> sections = {""};
  for (const OptionRow& row : table) {
    const std::string section = first_part(row.key);
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) sections.push_back(section);
  }
  return sections;
}

std::string default_text(const OptionRow& row) {
  const std::string text = option_to_text(row.value);
  if (text.empty()) return "none";
  const bool numeric = row.type == OptionType::integer || row.type == OptionType::number;
  return "`" + text + "`" + (numeric && !row.unit.empty() ? " " + row.unit : "");
}

std::string section_text(const OptionTable& table, const std::string& section, std::string_view environment_prefix) {
  std::string text;
  for (const OptionRow& row : table) {
    if (first_part(row.key) != section) continue;
    text += "| `" + row.key + "` | " + allowed_values(row) + " | " + default_text(row) + " | " +
            (row.reload == Reload::live ? "at once" : "restart") + " | " + row.doc + (row.secret ? " Secret: never shown." : "") +
            (environment_prefix.empty() ? "" : " `" + environment_name(environment_prefix, row.key) + "`") + " |\n";
  }
  if (text.empty()) return "";
  return "| key | value | default | change takes effect | meaning |\n|---|---|---|---|---|\n" + text + "\n";
}

}  // namespace

std::string option_to_text(const OptionValue& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return number_to_text(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  std::string joined;
  for (const std::string& element : std::get<std::vector<std::string>>(value)) (joined += joined.empty() ? "" : ",") += element;
  return joined;
}

std::string option_reference(const OptionTable& table, std::string_view environment_prefix) {
  std::string text;
  for (const std::string& section : sections_of(table)) {
    const std::string rows = section_text(table, section, environment_prefix);
    if (!rows.empty() && !section.empty()) text += "## " + section + "\n\n";
    text += rows;
  }
  return text;
}

}  // namespace joulespool
