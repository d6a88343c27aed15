#include "agent/base/option_value.h"

#include <array>
#include <charconv>
#include <cmath>

namespace joulespool {
namespace {

constexpr size_t message_value_bytes_max = 80;

// value * numerator / denominator is in the row's unit.
struct Suffix {
  std::string_view unit;
  std::string_view name;
  int64_t numerator;
  int64_t denominator;
};
constexpr int64_t kibi = 1024;
constexpr Suffix suffixes[] = {
    {"bytes", "B", 1, 1},
    {"bytes", "k", 1000, 1},
    {"bytes", "kB", 1000, 1},
    {"bytes", "MB", 1000000, 1},
    {"bytes", "GB", 1000000000, 1},
    {"bytes", "KiB", kibi, 1},
    {"bytes", "MiB", kibi* kibi, 1},
    {"bytes", "GiB", kibi* kibi* kibi, 1},
    {"bytes", "TiB", kibi* kibi* kibi* kibi, 1},
    {"us", "us", 1, 1},
    {"us", "ms", 1000, 1},
    {"us", "s", 1000000, 1},
    {"ms", "us", 1, 1000},
    {"ms", "ms", 1, 1},
    {"ms", "s", 1000, 1},
    {"ms", "min", 60000, 1},
    {"ms", "h", 3600000, 1},
    {"s", "us", 1, 1000000},
    {"s", "ms", 1, 1000},
    {"s", "s", 1, 1},
    {"s", "min", 60, 1},
    {"s", "h", 3600, 1},
};

constexpr Suffix no_suffix = {"", "", 1, 1};

bool unit_has_suffixes(std::string_view unit) {
  for (const Suffix& suffix : suffixes)
    if (suffix.unit == unit) return true;
  return false;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Splits "250 ms" into its number and its suffix. False: the suffix is none of the unit's.
bool take_suffix(std::string_view unit, std::string_view& text, Suffix& suffix) {
  size_t end = text.size();
  while (end > 0 && ((text[end - 1] >= 'a' && text[end - 1] <= 'z') || (text[end - 1] >= 'A' && text[end - 1] <= 'Z'))) --end;
  const std::string_view name = text.substr(end);
  if (name.empty()) return suffix = no_suffix, true;
  for (const Suffix& candidate : suffixes) {
    if (candidate.unit != unit || candidate.name != name) continue;
    suffix = candidate;
    text = trimmed(text.substr(0, end));
    return true;
  }
  return false;
}

Error must_be(const OptionRow& row) { return {Errc::usage, "must be " + allowed_values(row)}; }

Result<OptionValue> parse_integer(const OptionRow& row, std::string_view text) {
  Suffix suffix = no_suffix;
  if (!take_suffix(row.unit, text, suffix)) return must_be(row);
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return must_be(row);
  if (__builtin_mul_overflow(value, suffix.numerator, &value) || value % suffix.denominator != 0) return must_be(row);
  return OptionValue(value / suffix.denominator);
}

Result<OptionValue> parse_number(const OptionRow& row, std::string_view text) {
  Suffix suffix = no_suffix;
  if (!take_suffix(row.unit, text, suffix)) return must_be(row);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return must_be(row);
  return OptionValue(value * static_cast<double>(suffix.numerator) / static_cast<double>(suffix.denominator));
}

Result<OptionValue> parse_boolean(const OptionRow& row, std::string_view text) {
  if (text == "true") return OptionValue(true);
  if (text == "false") return OptionValue(false);
  return must_be(row);
}

OptionValue split_list(std::string_view text) {
  std::vector<std::string> elements;
  while (!trimmed(text).empty()) {
    const size_t comma = text.find(',');
    elements.emplace_back(trimmed(text.substr(0, comma)));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return elements;
}

bool in_range(const OptionRow& row, double value) {
  const bool any = row.min == 0 && row.max == 0;
  return std::isfinite(value) && (any || (value >= row.min && value <= row.max));
}

std::string choices_text(const std::vector<std::string>& choices) {
  std::string text;
  for (size_t at = 0; at < choices.size(); ++at) text += (at == 0 ? "" : at + 1 == choices.size() ? " or " : ", ") + choices[at];
  return text;
}

std::string range_text(const OptionRow& row, const std::string& kind) {
  const std::string unit = row.unit.empty() ? "" : (row.min == 0 && row.max == 0 ? " of " : " ") + row.unit;
  if (row.min == 0 && row.max == 0) return kind + unit;
  return number_to_text(row.min) + ".." + number_to_text(row.max) + unit;
}

}  // namespace

std::string number_to_text(double value) {
  std::array<char, 400> buffer{};
  const bool whole = std::fabs(value) < 1e16 && value == std::floor(value);
  char* const end = buffer.data() + buffer.size();
  const auto result =
      whole ? std::to_chars(buffer.data(), end, value, std::chars_format::fixed) : std::to_chars(buffer.data(), end, value);
  return {buffer.data(), result.ptr};
}

std::string quoted_for_message(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, message_value_bytes_max))
    quoted += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
  return quoted + (text.size() > message_value_bytes_max ? "...\"" : "\"");
}

std::string allowed_values(const OptionRow& row) {
  switch (row.type) {
    case OptionType::boolean: return "true or false";
    case OptionType::integer: return range_text(row, "a whole number");
    case OptionType::number: return range_text(row, "a number");
    case OptionType::text: return "a text";
    case OptionType::choice: return choices_text(row.choices);
    case OptionType::list: return "a list of texts";
  }
  return "";
}

Result<OptionValue> parse_option_text(const OptionRow& row, std::string_view text) {
  switch (row.type) {
    case OptionType::boolean: return parse_boolean(row, trimmed(text));
    case OptionType::integer: return parse_integer(row, trimmed(text));
    case OptionType::number: return parse_number(row, trimmed(text));
    case OptionType::choice: return OptionValue(std::string(trimmed(text)));
    case OptionType::text: return OptionValue(std::string(text));
    case OptionType::list: return split_list(text);
  }
  return must_be(row);
}

Result<OptionValue> convert_file_value(const OptionRow& row, const FileValue& given) {
  if (!given.value) return must_be(row);
  const OptionValue& value = *given.value;
  if (value.index() == row.value.index()) return value;
  if (row.type == OptionType::number && std::holds_alternative<int64_t>(value))
    return OptionValue(static_cast<double>(std::get<int64_t>(value)));
  const auto* text = std::get_if<std::string>(&value);
  const bool numeric = row.type == OptionType::number || row.type == OptionType::integer;
  const bool has_suffix = text != nullptr && !text->empty() && !(text->back() >= '0' && text->back() <= '9');
  if (numeric && has_suffix && unit_has_suffixes(row.unit)) return parse_option_text(row, *text);
  const std::string kind = row.type == OptionType::integer  ? "a whole number, "
                           : row.type == OptionType::number ? "a number, "
                                                            : "";
  const bool ranged = row.min != 0 || row.max != 0;
  return Error{Errc::usage, "must be " + (ranged ? kind : "") + allowed_values(row)};
}

Status check_option_value(const OptionRow& row, const OptionValue& value) {
  if (const auto* number = std::get_if<double>(&value); number != nullptr && !in_range(row, *number)) return must_be(row);
  if (const auto* integer = std::get_if<int64_t>(&value); integer != nullptr && !in_range(row, static_cast<double>(*integer)))
    return must_be(row);
  if (row.type == OptionType::choice) {
    bool known = false;
    for (const std::string& choice : row.choices) known = known || choice == std::get<std::string>(value);
    if (!known) return must_be(row);
  }
  return row.check ? row.check(value) : Status();
}

}  // namespace joulespool
