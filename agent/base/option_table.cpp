#include "agent/base/option_table.h"

#include <algorithm>
#include <set>

#include "agent/base/option_toml.h"
#include "agent/base/option_value.h"

namespace joulespool {
namespace {

// Levenshtein: how many letters to insert, remove or replace.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t at = 0; at < row.size(); ++at) row[at] = at;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// "; did you mean 'x'?" with the nearest of `known`, or nothing if none is near.
std::string suggestion(std::string_view wrong, const std::vector<std::string>& known) {
  constexpr size_t wrong_bytes_max = 100;  // longer names are no typing errors
  if (wrong.size() > wrong_bytes_max) return "";
  const std::string* nearest = nullptr;
  size_t distance = std::clamp<size_t>(wrong.size() / 3, 2, 3) + 1;
  for (const std::string& name : known) {
    const bool same_end = name.size() > wrong.size() && name.ends_with("." + std::string(wrong));
    const size_t candidate = same_end ? 0 : edit_distance(wrong, name);
    if (candidate >= distance) continue;
    distance = candidate;
    nearest = &name;
  }
  return nearest == nullptr ? "" : "; did you mean '" + *nearest + "'?";
}

// Takes values in the order of rising importance and collects every problem.
class Resolver {
 public:
  explicit Resolver(const OptionTable& table) : table_(table) {
    for (const OptionRow& row : table) {
      options_.set(row.key, {row.value, "default"});
      keys_.push_back(row.key);
    }
  }

  [[nodiscard]] const OptionRow* find(std::string_view key) const {
    for (const OptionRow& row : table_)
      if (row.key == key) return &row;
    return nullptr;
  }

  void problem(const std::string& line) { (problems_ += problems_.empty() ? "" : "\n") += line; }
  void problem(const std::string& origin, const std::string& what) { problem(origin + ": " + what); }

  void unknown_key(const std::string& origin, const std::string& key) {
    problem(origin, "unknown key " + quoted_for_message(key) + suggestion(key, keys_));
  }

  void put(const OptionRow& row, const Result<OptionValue>& value, const std::string& written, const std::string& origin) {
    const std::string subject = row.key + " = " + (row.secret ? "***" : written);
    if (!value) return problem(origin, subject + ": " + value.error().message);
    if (const Status status = check_option_value(row, *value); !status)
      return problem(origin, subject + ": " + status.error().message);
    options_.set(row.key, {*value, origin});
  }

  void put_text(const OptionRow& row, std::string_view text, const std::string& origin) {
    put(row, parse_option_text(row, text), quoted_for_message(text), origin);
  }

  void put_entries(const std::vector<FileEntry>& entries, const std::string& file_name) {
    std::set<std::string> seen;
    for (const FileEntry& entry : entries) {
      const std::string origin = file_name + ":" + std::to_string(entry.line);
      const OptionRow* row = find(entry.key);
      if (row == nullptr && entry.is_empty_table && is_table_name(entry.key)) continue;
      if (row == nullptr) unknown_key(origin, entry.key);
      else if (!seen.insert(entry.key).second) problem(origin, entry.key + " is set twice");
      else put(*row, convert_file_value(*row, entry.value), entry.value.written, origin);
    }
  }

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const std::string& problems() const { return problems_; }
  Result<Options> result() {
    if (!problems_.empty()) return Error{Errc::usage, problems_};
    return options_;
  }

 private:
  [[nodiscard]] bool is_table_name(const std::string& name) const {
    return std::any_of(keys_.begin(), keys_.end(), [&](const std::string& key) { return key.starts_with(name + "."); });
  }

  const OptionTable& table_;
  Options options_;
  std::vector<std::string> keys_;
  std::string problems_;
};

bool belongs_to_others(const std::string& name, const std::vector<std::string>& ignored) {
  for (const std::string& pattern : ignored) {
    const bool is_prefix = pattern.ends_with('*');
    if (is_prefix ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern) return true;
  }
  return false;
}

void take_environment(const OptionTable& table, const OptionSources& sources, Resolver& resolver) {
  std::map<std::string, const OptionRow*> rows;
  std::vector<std::string> names;
  for (const OptionRow& row : table) {
    names.push_back(environment_name(sources.environment_prefix, row.key));
    rows[names.back()] = &row;
  }
  for (const auto& [name, text] : sources.environment) {
    if (!name.starts_with(sources.environment_prefix) || belongs_to_others(name, sources.environment_ignored)) continue;
    const auto row = rows.find(name);
    if (row != rows.end()) resolver.put_text(*row->second, text, "environment " + name);
    else resolver.problem("environment " + quoted_for_message(name), "unknown variable" + suggestion(name, names));
  }
}

// Several flags of a list add up to one list, which replaces what a less important source gave.
void take_flags(const OptionSources& sources, Resolver& resolver) {
  std::map<std::string, std::vector<std::string>> lists;
  for (const auto& [key, text] : sources.flags) {
    const std::string origin = "flag --" + key;
    const OptionRow* row = resolver.find(key);
    if (row == nullptr) {
      resolver.unknown_key(origin, key);
    } else if (row->type == OptionType::list) {
      lists[key].push_back(text);
      resolver.put(*row, OptionValue(lists[key]), quoted_for_message(text), origin);
    } else {
      resolver.put_text(*row, text, origin);
    }
  }
}

void take_file(const FileContent& content, const OptionSources& sources, Resolver& resolver) {
  const auto ignored = [&](const std::string& name) {
    return std::find(sources.tables_ignored.begin(), sources.tables_ignored.end(), name) != sources.tables_ignored.end();
  };
  std::vector<FileEntry> entries;
  for (const FileEntry& entry : content.entries) {
    const std::string first = entry.key.substr(0, entry.key.find('.'));
    if (!ignored(first)) entries.push_back(entry);
    else if (entry.value.written != "a list" || first != entry.key)  // `device = []`: none of them
      resolver.problem(sources.file_name + ":" + std::to_string(entry.line),
                       first + " must be tables of the form [[" + first + "]]");
  }
  resolver.put_entries(entries, sources.file_name);
  for (const auto& [name, tables] : content.arrays)
    if (!ignored(name)) resolver.unknown_key(sources.file_name + ":" + std::to_string(tables.front().line), name);
}

}  // namespace

const OptionSetting& Options::at(std::string_view key) const {
  const auto setting = settings_.find(key);
  assert(setting != settings_.end());
  return setting->second;
}

Result<Options> resolve_options(const OptionTable& table, const OptionSources& sources) {
  Resolver resolver(table);
  const auto content = read_toml(sources.file_name, sources.file_text);
  if (content) take_file(*content, sources, resolver);
  else resolver.problem(content.error().message);
  take_environment(table, sources, resolver);
  take_flags(sources, resolver);
  return resolver.result();
}

Result<std::vector<Options>> resolve_table_array(const OptionTable& table, std::string_view name, const OptionSources& sources) {
  const auto content = read_toml(sources.file_name, sources.file_text);
  if (!content) return content.error();
  std::vector<Options> resolved;
  std::string problems;
  const auto tables = content->arrays.find(std::string(name));
  if (tables == content->arrays.end()) return resolved;
  for (const FileTable& given : tables->second) {
    Resolver resolver(table);
    resolver.put_entries(given.entries, sources.file_name);
    if (!resolver.problems().empty()) (problems += problems.empty() ? "" : "\n") += resolver.problems();
    resolved.push_back(resolver.options());
    resolved.back().set_origin(sources.file_name + ":" + std::to_string(given.line));
  }
  if (!problems.empty()) return Error{Errc::usage, problems};
  return resolved;
}

Result<Options> resolve_inline(const OptionTable& table, const std::string& text, const std::string& origin) {
  Resolver resolver(table);
  std::set<std::string> seen;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string pair = text.substr(at, end - at);
    at = end + 1;
    if (text.empty()) break;
    const size_t equals = pair.find('=');
    const std::string key = pair.substr(0, equals);
    const OptionRow* row = resolver.find(key);
    const bool bare = equals == std::string::npos;
    if (row != nullptr && row->type == OptionType::list) std::replace(pair.begin(), pair.end(), ';', ',');
    if (row == nullptr) resolver.unknown_key(origin, key);
    else if (!seen.insert(key).second) resolver.problem(origin, key + " is set twice");
    else if (bare && row->type != OptionType::boolean) resolver.problem(origin, key + " needs a value: " + key + "=...");
    else resolver.put_text(*row, bare ? "true" : std::string_view(pair).substr(equals + 1), origin);
  }
  auto resolved = resolver.result();
  if (resolved) resolved->set_origin(origin);
  return resolved;
}

std::string environment_name(std::string_view prefix, std::string_view key) {
  std::string name(prefix);
  for (const char c : key) {
    if (c == '.' || c == '-') name += '_';
    else name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

}  // namespace joulespool
