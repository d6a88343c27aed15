#include "agent/device/fault_plan.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace joulespool::device {
namespace {

constexpr uint64_t never = std::numeric_limits<uint64_t>::max();
constexpr std::string_view allowed =
    "must be drop|lose|nan:<from_tick>-<end_tick> or drop|lose|nan:every=<ticks>,length=<ticks> "
    "with from < end, 0 < length < every (ticks of 0.5 us), several separated by ';'";

Error wrong(std::string_view item) { return {Errc::usage, "fault \"" + std::string(item) + "\": " + std::string(allowed)}; }

std::string_view name(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::drop: return "drop";
    case Fault::Kind::lose: return "lose";
    case Fault::Kind::nan: return "nan";
  }
  return "?";
}

bool parse_kind(std::string_view text, Fault::Kind& kind) {
  for (const auto candidate : {Fault::Kind::drop, Fault::Kind::lose, Fault::Kind::nan})
    if (text == name(candidate)) return kind = candidate, true;
  return false;
}

bool parse_ticks(std::string_view text, uint64_t& ticks) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, ticks);
  return !text.empty() && error == std::errc() && stopped == end;
}

bool parse_periodic(std::string_view text, Fault& fault) {
  const size_t comma = text.find_first_of(",/");
  if (comma == text.npos || !text.starts_with("every=")) return false;
  const std::string_view length = text.substr(comma + 1);
  return length.starts_with("length=") && parse_ticks(text.substr(6, comma - 6), fault.every_ticks) &&
         parse_ticks(length.substr(7), fault.length_ticks);
}

bool parse_once(std::string_view text, Fault& fault) {
  const size_t dash = text.find('-');
  return dash != text.npos && parse_ticks(text.substr(0, dash), fault.first_tick) &&
         parse_ticks(text.substr(dash + 1), fault.end_tick);
}

bool is_sound(const Fault& fault) {
  if (fault.every_ticks != 0 || fault.length_ticks != 0)
    return fault.first_tick == 0 && fault.end_tick == 0 && 0 < fault.length_ticks && fault.length_ticks < fault.every_ticks;
  return fault.first_tick < fault.end_tick;
}

Result<Fault> parse_fault(std::string_view item) {
  Fault fault;
  const size_t colon = item.find(':');
  if (colon == item.npos || !parse_kind(item.substr(0, colon), fault.kind)) return wrong(item);
  const std::string_view when = item.substr(colon + 1);
  const bool parsed = when.starts_with("every") ? parse_periodic(when, fault) : parse_once(when, fault);
  if (!parsed || !is_sound(fault)) return wrong(item);
  return fault;
}

std::string to_string(const Fault& fault) {
  const std::string kind = std::string(name(fault.kind)) + ":";
  if (fault.every_ticks != 0)
    return kind + "every=" + std::to_string(fault.every_ticks) + ",length=" + std::to_string(fault.length_ticks);
  return kind + std::to_string(fault.first_tick) + "-" + std::to_string(fault.end_tick);
}

}  // namespace

bool Fault::hits(uint64_t tick) const {
  if (every_ticks == 0) return first_tick <= tick && tick < end_tick;
  return tick >= every_ticks && tick % every_ticks < length_ticks;
}

uint64_t Fault::next_change(uint64_t tick) const {
  if (every_ticks == 0) return tick < first_tick ? first_tick : tick < end_tick ? end_tick : never;
  const uint64_t in_period = tick % every_ticks;
  const uint64_t step = hits(tick) ? length_ticks - in_period : every_ticks - in_period;
  return tick > never - step ? never : tick + step;
}

Result<Faults> parse_faults(std::string_view text) {
  constexpr std::string_view separators = "; \t\n";
  Faults faults;
  for (size_t begin = text.find_first_not_of(separators); begin != text.npos;) {
    const size_t end = std::min(text.find_first_of(separators, begin), text.size());
    Result<Fault> fault = parse_fault(text.substr(begin, end - begin));
    if (!fault) return fault.error();
    faults.push_back(*fault);
    begin = text.find_first_not_of(separators, end);
  }
  if (Status status = validate(faults); !status) return status.error();
  return faults;
}

std::string to_string(const Faults& faults) {
  std::string text;
  for (const Fault& fault : faults) text += (text.empty() ? "" : ";") + to_string(fault);
  return text;
}

Status validate(const Faults& faults) {
  if (faults.size() > faults_max)
    return Error{Errc::usage, std::to_string(faults.size()) + " faults: must be at most " + std::to_string(faults_max)};
  for (const Fault& fault : faults)
    if (!is_sound(fault)) return wrong(to_string(fault));
  return {};
}

bool is_hit(const Faults& faults, Fault::Kind kind, uint64_t tick) {
  return std::any_of(faults.begin(), faults.end(), [&](const Fault& fault) { return fault.kind == kind && fault.hits(tick); });
}

uint64_t next_change(const Faults& faults, uint64_t tick) {
  uint64_t next = never;
  for (const Fault& fault : faults) next = std::min(next, fault.next_change(tick));
  return next;
}

}  // namespace joulespool::device
