#include "agent/cli/time_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "agent/base/units.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

struct DurationUnit {
  std::string_view name;
  int64_t ns;
};
constexpr DurationUnit duration_units[] = {
    {"ms", ns_per_ms}, {"s", ns_per_s}, {"m", 60 * ns_per_s}, {"h", 3600 * ns_per_s}, {"d", 86400 * ns_per_s}};
constexpr int64_t duration_ns_max = 36525LL * 86400 * ns_per_s;

std::string_view trailing_unit(std::string_view text, const char* number_end) {
  return text.substr(static_cast<size_t>(number_end - text.data()));
}

// Both ends of one kind can be compared without a frame.
bool is_empty(const TimeRange& range) {
  if (!range.from || !range.to || range.from->needs_utc() != range.to->needs_utc()) return false;
  if (range.from->needs_utc()) return *range.from->utc_ns() >= *range.to->utc_ns();
  return range.from->sample_id() >= range.to->sample_id();
}

// Frames of lane event have no samples: they are where the device was.
uint64_t end_of(uint64_t first, uint64_t end) { return end > first ? end : first + 1; }

std::string bound_text(const Bound& bound) {
  return bound.needs_utc() ? format_utc(*bound.utc_ns(), 3) : "sample " + std::to_string(bound.sample_id());
}

}  // namespace

Bound Bound::at_sample(uint64_t sample_id) {
  Bound bound;
  bound.sample_id_ = sample_id;
  return bound;
}

Bound Bound::at_utc(int64_t utc_ns) {
  Bound bound;
  bound.utc_ns_ = utc_ns;
  return bound;
}

Result<Bound> Bound::parse(const std::string& flag, const std::string& text) {
  uint64_t sample_id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), sample_id);
  if (failure == std::errc() && end == text.data() + text.size()) return at_sample(sample_id);
  const auto utc_ns = parse_utc(text);
  if (!utc_ns) return Error{Errc::usage, flag + ": must be a sample_id or a time: " + printable(utc_ns.error().message)};
  return at_utc(*utc_ns);
}

TimeRange::Samples TimeRange::in(const wire::FrameHeader& header) const {
  const bool needs_utc = (from && from->needs_utc()) || (to && to->needs_utc());
  if (needs_utc && header.utc.quality == wire::UtcQuality::unknown) return {0, 0};
  return {from ? from->in(header) : 0, to ? to->in(header) : UINT64_MAX};
}

bool TimeRange::overlaps(const wire::FrameHeader& header) const {
  const Samples samples = in(header);
  return header.sample_id_first < samples.end && end_of(header.sample_id_first, header.sample_id_end) > samples.first;
}

bool TimeRange::may_overlap(const spool::FrameInfo& info) const {
  // The spool's times are rounded to 1 ns: one more on both sides.
  const auto begins_after = [&](const Bound& bound) {
    return bound.needs_utc() ? info.utc_first_ns - 1 > *bound.utc_ns() : info.sample_id_first >= bound.sample_id();
  };
  const auto ends_before = [&](const Bound& bound) {
    return bound.needs_utc() ? info.utc_end_ns + 1 < *bound.utc_ns()
                             : end_of(info.sample_id_first, info.sample_id_end) <= bound.sample_id();
  };
  return !(to && begins_after(*to)) && !(from && ends_before(*from));
}

Result<int64_t> parse_duration(const std::string& flag, const std::string& text) {
  int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failure == std::errc() && count > 0)
    for (const DurationUnit& unit : duration_units)
      if (trailing_unit(text, end) == unit.name && count <= duration_ns_max / unit.ns) return count * unit.ns;
  return Error{Errc::usage, flag + ": '" + printable(text) + "' is not a length of time: expected a number and a unit, " +
                                "90s, 10m, 2h or 3d (up to 100 years)"};
}

std::shared_ptr<TimeFlags> TimeFlags::add(CLI::App& app) {
  auto flags = std::make_shared<TimeFlags>();
  app.add_option("--from", flags->from, "First sample_id, or UTC time: 2026-01-02T03:04:05.678Z or @<seconds since 1970>")
      ->type_name("SAMPLE|TIME");
  app.add_option("--to", flags->to, "Before this sample_id, or UTC time")->type_name("SAMPLE|TIME");
  app.add_option("--since", flags->since,
                 "The last 90s, 10m, 2h or 3d, instead of --from: counted back from the end of the data in the spool, which "
                 "is now beside a running agent and also means something on a copy")
      ->type_name("DURATION");
  return flags;
}

Result<TimeRange> TimeFlags::resolve(int64_t data_end_utc_ns) const {
  TimeRange range;
  if (!since.empty() && !from.empty()) return Error{Errc::usage, "--since and --from both say where to begin: give one of them"};
  if (!from.empty()) {
    const auto bound = Bound::parse("--from", from);
    if (!bound) return bound.error();
    range.from = *bound;
  }
  if (!to.empty()) {
    const auto bound = Bound::parse("--to", to);
    if (!bound) return bound.error();
    range.to = *bound;
  }
  if (!since.empty()) {
    const auto duration_ns = parse_duration("--since", since);
    if (!duration_ns) return duration_ns.error();
    if (data_end_utc_ns == 0) return Error{Errc::usage, "--since: nothing in the spool has a time; use --from with a sample_id"};
    range.from = Bound::at_utc(data_end_utc_ns - *duration_ns);
  }
  if (is_empty(range))
    return Error{Errc::usage, "the range ends at " + bound_text(*range.to) + ", but begins at " + bound_text(*range.from)};
  return range;
}

int64_t data_end_utc_ns(const std::vector<spool::LaneUsage>& lanes) {
  int64_t end_ns = 0;
  for (const spool::LaneUsage& lane : lanes) end_ns = std::max(end_ns, lane.utc_end_ns);
  return end_ns;
}

}  // namespace joulespool::cli
