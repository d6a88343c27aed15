#include "agent/base/option_toml.h"

#include <toml++/toml.h>

#include <algorithm>

namespace joulespool {
namespace {

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::date: return "a date";
    case toml::node_type::time: return "a time";
    case toml::node_type::date_time: return "a date and time";
    default: return "a value";
  }
}

FileValue read_list(const toml::array& array) {
  std::vector<std::string> elements;
  for (const toml::node& element : array) {
    const auto* text = element.as_string();
    if (text == nullptr) return {std::nullopt, "a list of other things than texts"};
    elements.push_back(text->get());
  }
  return {OptionValue(std::move(elements)), "a list"};
}

FileValue read_value(const toml::node& node) {
  if (const auto* boolean = node.as_boolean()) return {OptionValue(boolean->get()), boolean->get() ? "true" : "false"};
  if (const auto* integer = node.as_integer()) return {OptionValue(integer->get()), std::to_string(integer->get())};
  if (const auto* number = node.as_floating_point()) return {OptionValue(number->get()), number_to_text(number->get())};
  if (const auto* text = node.as_string()) return {OptionValue(text->get()), quoted_for_message(text->get())};
  if (const auto* array = node.as_array()) return read_list(*array);
  return {std::nullopt, kind_of(node)};
}

void flatten(const toml::table& table, const std::string& prefix, std::vector<FileEntry>& entries) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const auto* inner = node.as_table();
    if (inner != nullptr && !inner->empty()) flatten(*inner, key + ".", entries);
    else entries.push_back({key, read_value(node), node.source().begin.line, inner != nullptr});
  }
}

// toml++ keeps keys sorted by name; people read a file from its top.
void sort_by_line(std::vector<FileEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const FileEntry& a, const FileEntry& b) { return a.line < b.line; });
}

std::vector<FileTable> read_tables(const toml::array& array) {
  std::vector<FileTable> tables;
  for (const toml::node& node : array) {
    FileTable table{node.source().begin.line, {}};
    flatten(*node.as_table(), "", table.entries);
    sort_by_line(table.entries);
    tables.push_back(std::move(table));
  }
  return tables;
}

FileContent read_root(toml::table root) {
  FileContent content;
  for (const auto& [name, node] : root)
    if (const auto* array = node.as_array(); array != nullptr && array->is_array_of_tables())
      content.arrays[std::string(name.str())] = read_tables(*array);
  for (const auto& [name, tables] : content.arrays) root.erase(name);
  flatten(root, "", content.entries);
  sort_by_line(content.entries);
  return content;
}

}  // namespace

Result<FileContent> read_toml(const std::string& file_name, std::string_view text) {
  try {
    return read_root(toml::parse(text));
  } catch (const toml::parse_error& failure) {
    return Error{Errc::usage,
                 file_name + ":" + std::to_string(failure.source().begin.line) + ": " + std::string(failure.description())};
  }
}

}  // namespace joulespool
