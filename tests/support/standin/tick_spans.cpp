#include "tests/support/standin/tick_spans.h"

#include <charconv>

namespace joulespool::standin {
namespace {

// "every=4000,length=126": the number after `name`=.
bool parse_part(std::string_view item, std::string_view name, uint64_t& value) {
  const size_t at = item.find(name);
  if (at == item.npos) return false;
  item.remove_prefix(at + name.size());
  return parse_number(item.substr(0, item.find(',')), value);
}

}  // namespace

bool parse_number(std::string_view text, uint64_t& value) {
  uint64_t parsed = 0;
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, parsed, base);
  if (text.empty() || error != std::errc() || stopped != end) return false;
  value = parsed;
  return true;
}

bool TickSpans::add(std::string_view item) {
  if (item.starts_with("every=")) {
    Period period{};
    if (!parse_part(item, "every=", period.every) || !parse_part(item, "length=", period.length)) return false;
    period.offset = period.every;
    if (item.find("offset=") != item.npos && !parse_part(item, "offset=", period.offset)) return false;
    periodic_.push_back(period);
    return 0 < period.length && period.length < period.every;
  }
  const size_t dash = item.find('-');
  TickSpan span;
  if (dash == item.npos || !parse_number(item.substr(0, dash), span.first) || !parse_number(item.substr(dash + 1), span.end))
    return false;
  once_.push_back(span);
  return span.first < span.end;
}

std::optional<TickSpans> TickSpans::parse(std::string_view text) {
  constexpr std::string_view separators = "; \t";
  TickSpans spans;
  for (size_t begin = text.find_first_not_of(separators); begin != text.npos;) {
    const size_t end = std::min(text.find_first_of(separators, begin), text.size());
    if (!spans.add(text.substr(begin, end - begin))) return std::nullopt;
    begin = text.find_first_not_of(separators, end);
  }
  return spans;
}

std::optional<TickSpan> TickSpans::next(uint64_t tick) const {
  std::optional<TickSpan> earliest;
  const auto consider = [&](const TickSpan& span) {
    if (span.end > tick && (!earliest || span.first < earliest->first)) earliest = span;
  };
  for (const TickSpan& span : once_) consider(span);
  for (const Period& period : periodic_) {
    const uint64_t n = tick < period.offset ? 0 : (tick - period.offset) / period.every;
    const uint64_t first = period.offset + n * period.every;
    consider({first, first + period.length});
    consider({first + period.every, first + period.every + period.length});
  }
  return earliest;
}

}  // namespace joulespool::standin
