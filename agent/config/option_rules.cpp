#include "agent/config/option_rules.h"

#include <set>

#include "agent/base/units.h"
#include "agent/wire/frame.h"

namespace joulespool::config {
namespace {

Error must_be(const std::string& what) { return {Errc::usage, "must be " + what}; }

const std::string& text_of(const OptionValue& value) { return std::get<std::string>(value); }

}  // namespace

Status check_not_empty(const OptionValue& value) {
  if (text_of(value).empty()) return must_be("a text that is not empty");
  return {};
}

Status check_id_or_empty(const OptionValue& value) {
  if (!text_of(value).empty() && !wire::is_valid_id(text_of(value)))
    return must_be("1 to 63 of a-z, 0-9 and '-', not beginning with '-'");
  return {};
}

Status check_utc_or_empty(const OptionValue& value) {
  if (!text_of(value).empty() && !parse_utc(text_of(value)))
    return must_be("a time like 2026-01-02T03:04:05.678Z (UTC) or @<seconds since 1970>");
  return {};
}

Status check_labels(const OptionValue& value) {
  const auto& labels = std::get<std::vector<std::string>>(value);
  if (labels.size() > wire::labels_max) return must_be("at most " + std::to_string(wire::labels_max) + " labels");
  std::set<std::string> keys;
  for (const std::string& text : labels) {
    const wire::Label label = split_label(text);
    const bool sized =
        !label.key.empty() && label.key.size() <= wire::label_bytes_max && label.value.size() <= wire::label_bytes_max;
    if (text.find('=') == std::string::npos || !sized)
      return must_be("key=value, both at most " + std::to_string(wire::label_bytes_max) + " bytes");
    if (!keys.insert(label.key).second) return must_be("labels with different keys: '" + label.key + "' comes twice");
  }
  return {};
}

Status check_wave_rate(const OptionValue& value) {
  const int64_t rate_hz = std::get<int64_t>(value);
  if (rate_hz == 0) return {};
  for (int64_t decade = wave_rate_min_hz; decade <= wave_rate_max_hz; decade *= 10)
    for (const int64_t allowed : {decade, 2 * decade, 5 * decade})
      if (rate_hz == allowed && allowed <= wave_rate_max_hz) return {};
  return must_be("0 (the full rate) or one of 100, 200, 500, 1000, 2000, ... 1000000");
}

wire::Label split_label(const std::string& text) {
  const size_t equals = text.find('=');
  return {text.substr(0, equals), equals == std::string::npos ? "" : text.substr(equals + 1)};
}

}  // namespace joulespool::config
