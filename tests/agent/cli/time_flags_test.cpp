#include "agent/cli/time_flags.h"

#include <doctest/doctest.h>

#include "agent/base/units.h"

using namespace joulespool;
using namespace joulespool::cli;

namespace {

constexpr int64_t data_end_ns = 1'767'225'600'000'000'000;  // 2026-01-01

wire::FrameHeader header_at(int64_t utc_ns, wire::UtcQuality quality = wire::UtcQuality::host) {
  wire::FrameHeader header;
  header.axis = {1, 2'000'000, 2};
  header.sample_id_first = 1000;
  header.sample_id_end = 3000;
  header.utc = {1000, utc_ns, 2e6, quality};
  return header;
}

std::string error_of(const TimeFlags& flags, int64_t end_ns = data_end_ns) {
  const auto range = flags.resolve(end_ns);
  if (range) return "";
  CHECK(range.error().code == Errc::usage);
  return range.error().message;
}

}  // namespace

TEST_CASE("time flags: sample_ids and times bound a frame's samples") {
  const auto samples = TimeFlags{"1200", "2500", ""}.resolve(0);
  REQUIRE(samples.ok());
  CHECK(samples->in(header_at(data_end_ns)).first == 1200);
  CHECK(samples->in(header_at(data_end_ns)).end == 2500);
  const auto times = TimeFlags{"2026-01-01T00:00:00.0001Z", "@1767225600.000500", ""}.resolve(0);
  REQUIRE(times.ok());
  CHECK(times->in(header_at(data_end_ns)).first == 1200);
  CHECK(times->in(header_at(data_end_ns)).end == 2000);
  CHECK(times->overlaps(header_at(data_end_ns)));
  CHECK_FALSE(times->overlaps(header_at(data_end_ns + ns_per_s)));
  CHECK_FALSE(times->overlaps(header_at(data_end_ns, wire::UtcQuality::unknown)));
  const auto open = TimeFlags{}.resolve(0);
  REQUIRE(open.ok());
  CHECK(open->overlaps(header_at(data_end_ns, wire::UtcQuality::unknown)));
}

TEST_CASE("time flags: what the spool knows of a frame never rules out a frame that is inside") {
  spool::FrameInfo info;
  info.sample_id_first = 1000;
  info.sample_id_end = 3000;
  info.utc_first_ns = data_end_ns;
  info.utc_end_ns = data_end_ns + 1'000'000;
  const auto may = [&](const char* from, const char* to) {
    const auto range = TimeFlags{from, to, ""}.resolve(0);
    REQUIRE(range.ok());
    return range->may_overlap(info);
  };
  CHECK(may("", ""));
  CHECK(may("2999", ""));
  CHECK_FALSE(may("3000", ""));
  CHECK(may("", "1001"));
  CHECK_FALSE(may("", "1000"));
  CHECK(may("2026-01-01T00:00:00.001Z", ""));
  CHECK_FALSE(may("2026-01-01T00:00:00.002Z", ""));
  CHECK_FALSE(may("", "2025-12-31T23:59:59Z"));
}

TEST_CASE("time flags: a frame of events, which has no samples, is in the range where it stands") {
  wire::FrameHeader header = header_at(data_end_ns);
  header.sample_id_end = header.sample_id_first;
  spool::FrameInfo info;
  info.sample_id_first = info.sample_id_end = header.sample_id_first;
  const auto is_in = [&](const char* from, const char* to) {
    const auto range = TimeFlags{from, to, ""}.resolve(0);
    REQUIRE(range.ok());
    CHECK(range->may_overlap(info) == range->overlaps(header));
    return range->overlaps(header);
  };
  CHECK(is_in("", ""));
  CHECK(is_in("1000", "1001"));
  CHECK_FALSE(is_in("1001", ""));
  CHECK_FALSE(is_in("", "1000"));
  header.sample_id_first = header.sample_id_end = info.sample_id_first = info.sample_id_end = 0;
  CHECK(is_in("", ""));
}

TEST_CASE("time flags: --since counts back from the end of the data") {
  const auto range = TimeFlags{"", "", "10m"}.resolve(data_end_ns);
  REQUIRE(range.ok());
  REQUIRE(range->from.has_value());
  CHECK(*range->from->utc_ns() == data_end_ns - 600 * ns_per_s);
  CHECK_FALSE(range->to.has_value());
  spool::LaneUsage early, late;
  early.utc_end_ns = 5;
  late.utc_end_ns = 7;
  CHECK(cli::data_end_utc_ns({early, late}) == 7);
  CHECK(cli::data_end_utc_ns({}) == 0);
}

TEST_CASE("time flags: lengths of time") {
  CHECK(*parse_duration("--since", "90s") == 90 * ns_per_s);
  CHECK(*parse_duration("--since", "10m") == 600 * ns_per_s);
  CHECK(*parse_duration("--since", "2h") == 7200 * ns_per_s);
  CHECK(*parse_duration("--since", "3d") == 259'200 * ns_per_s);
  CHECK(*parse_duration("--since", "500ms") == 500 * ns_per_ms);
  for (const char* text :
       {"", "10", "m", "0s", "-5m", "5 m", "1.5h", "10min", "99999999999d", "9999999999999999999999s", "5m\x1b"}) {
    const auto duration = parse_duration("--since", text);
    INFO(text);
    REQUIRE_FALSE(duration.ok());
    CHECK(duration.error().code == Errc::usage);
    CHECK(duration.error().message.find("90s, 10m, 2h or 3d") != std::string::npos);
    CHECK(duration.error().message.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("time flags: times that are no times, and contradictions, are wrong usage") {
  CHECK(error_of({"yesterday", "", ""}).starts_with("--from: must be a sample_id or a time: 'yesterday' is not a time"));
  CHECK(error_of({"", "2026-13-01T00:00:00Z", ""}).starts_with("--to: must be a sample_id or a time"));
  CHECK(error_of({"-5", "", ""}).starts_with("--from"));
  CHECK(error_of({"10", "", "5m"}).find("both say where to begin") != std::string::npos);
  CHECK(error_of({"10", "10", ""}) == "the range ends at sample 10, but begins at sample 10");
  CHECK(error_of({"2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", ""}) ==
        "the range ends at 2026-01-01T00:00:00.000Z, but begins at 2026-01-02T00:00:00.000Z");
  CHECK(error_of({"", "2025-01-01T00:00:00Z", "1h"}).starts_with("the range ends at 2025-01-01"));
  CHECK(error_of({"", "", "1h"}, 0).find("nothing in the spool has a time") != std::string::npos);
  CHECK(error_of({"5", "2026-01-01T00:00:00Z", ""}).empty());  // only a frame's map can tell
}
