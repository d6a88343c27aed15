#include "agent/base/option_rows.h"

#include <charconv>

namespace joulespool::rows {
namespace {

OptionRow row(OptionType type, std::string key, OptionValue value, std::string doc) {
  OptionRow made;
  made.key = std::move(key);
  made.type = type;
  made.value = std::move(value);
  made.doc = std::move(doc);
  return made;
}

OptionRow ranged(OptionRow made, std::string unit, double min, double max) {
  made.unit = std::move(unit);
  made.min = min;
  made.max = max;
  return made;
}

OptionRow checked(OptionRow made, Check check) {
  made.check = std::move(check);
  return made;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

}  // namespace

OptionRow text(std::string key, std::string value, std::string doc, Check check) {
  return checked(row(OptionType::text, std::move(key), std::move(value), std::move(doc)), std::move(check));
}

OptionRow integer(std::string key, std::string unit, int64_t value, double min, double max, std::string doc, Check check) {
  return checked(ranged(row(OptionType::integer, std::move(key), value, std::move(doc)), std::move(unit), min, max),
                 std::move(check));
}

OptionRow number(std::string key, std::string unit, double value, double min, double max, std::string doc) {
  return ranged(row(OptionType::number, std::move(key), value, std::move(doc)), std::move(unit), min, max);
}

OptionRow boolean(std::string key, bool value, std::string doc) {
  return row(OptionType::boolean, std::move(key), value, std::move(doc));
}

OptionRow list(std::string key, std::vector<std::string> value, std::string doc, Check check) {
  return checked(row(OptionType::list, std::move(key), std::move(value), std::move(doc)), std::move(check));
}

OptionRow choice(std::string key, std::string value, std::vector<std::string> choices, std::string doc) {
  OptionRow made = row(OptionType::choice, std::move(key), std::move(value), std::move(doc));
  made.choices = std::move(choices);
  return made;
}

OptionRow secret(OptionRow row) {
  row.secret = true;
  return row;
}

Status check_tcp_uri(const OptionValue& value) {
  const std::string_view uri = std::get<std::string>(value);
  constexpr std::string_view scheme = "tcp://";
  const size_t colon = uri.rfind(':');
  if (uri.starts_with(scheme) && colon > scheme.size() && is_port(uri.substr(colon + 1))) return {};
  return Error{Errc::usage, "must be tcp://host:port"};
}

}  // namespace joulespool::rows
