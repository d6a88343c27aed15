// Spools whose state is damaged: what frames say themselves brings it back, and nothing is lost without a trace.
#include "agent/spool/salvage.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_seed.h"
#include "tests/support/wire_spool.h"

using namespace joulespool;
using test::WireSpool;
using wire::Lane;
namespace fs = std::filesystem;

namespace {

std::string log_of(const std::string& directory, uint64_t number) { return spool::segment_path(directory, number) + "-wal"; }

std::string newest_log(const std::string& directory) { return log_of(directory, spool::list_segments(directory).back()); }

// Every version of the row that says whose spool it is.
void damage_meta(const std::string& log) {
  wire::Bytes bytes = test::read_file(log);
  const std::string_view text = WireSpool::boot;
  const auto* const first = static_cast<const std::byte*>(static_cast<const void*>(text.data()));
  size_t found = 0;
  for (auto at = bytes.begin();; ++found) {
    at = std::search(at, bytes.end(), first, first + text.size());
    if (at == bytes.end()) break;
    *at++ ^= std::byte{4};
  }
  REQUIRE(found > 0);
  test::write_file(log, bytes);
}

void zero(const std::string& file, size_t at, size_t size) {
  wire::Bytes bytes = test::read_file(file);
  for (size_t k = at; k < std::min(at + size, bytes.size()); ++k) bytes[k] = std::byte{};
  test::write_file(file, bytes);
}

// What the next start sees.
struct Seen {
  std::set<wire::FrameId> intact, damaged;
  spool::DevicePosition position;
  uint64_t epoch = 0;
};

// Every tick before the position is in an intact frame of its lane, or in one that is known to be lost, or in a gap that an
// intact event frame tells; behind it there is nothing.
void check_lane(const WireSpool& made, const std::vector<spool::StoredFrame>& frames,
                const std::vector<spool::StoredFrame>& events, const Seen& seen) {
  std::vector<std::pair<uint64_t, uint64_t>> covered;
  bool event_lost = false;
  for (const auto& frame : frames) {
    covered.push_back({frame.info.sample_id_first, frame.info.sample_id_end});
    CHECK(frame.info.sample_id_end <= seen.position.sample_id_end);
  }
  for (const auto& frame : events) {
    event_lost = event_lost || !frame.intact;
    if (frame.intact) covered.push_back({frame.info.sample_id_end - WireSpool::gap_ticks, frame.info.sample_id_end});
  }
  std::sort(covered.begin(), covered.end());
  uint64_t at = 0;
  for (const auto& [first, end] : covered) {
    const bool known_gap = event_lost && first - at == WireSpool::gap_ticks;
    CHECK_MESSAGE((first <= at || known_gap), at << " to " << first << " is nowhere");
    at = std::max(at, end);
  }
  CHECK((at == seen.position.sample_id_end || (event_lost && at + WireSpool::gap_ticks == seen.position.sample_id_end)));
  static_cast<void>(made);
}

Seen open_and_check(const std::string& directory, const WireSpool& made) {
  auto writer = WireSpool::open(directory);
  Seen seen;
  seen.epoch = writer->epoch();
  const auto positions = writer->positions();
  if (positions->size() == 1) seen.position = positions->front();
  auto reader = spool::open_spool_reader(directory);
  REQUIRE(reader.ok());
  std::map<Lane, std::vector<spool::StoredFrame>> all;
  for (const Lane lane : wire::lanes) {
    auto frames = (*reader)->read(made.sequence(lane), 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
    for (const auto& frame : *frames) {
      (frame.intact ? seen.intact : seen.damaged).insert(frame.info.id);
      if (frame.intact) CHECK(frame.bytes == made.frames.at(frame.info.id).bytes);
    }
    all[lane] = std::move(*frames);
  }
  for (const Lane lane : {Lane::stat, Lane::wave}) check_lane(made, all[lane], all[Lane::event], seen);
  // It goes on, with numbers that nothing else has.
  const wire::FrameSequence present{WireSpool::device, seen.epoch, Lane::wave};
  CHECK((seen.epoch != made.epoch || writer->next_seq(present) > made.frames.size() / 3));
  CHECK(writer->commit(test::commit_of(present, writer->next_seq(present), 1, 300)).ok());
  return seen;
}

// As who looks into a copy sees them.
size_t frames_read_only(const std::string& directory, const WireSpool& made) {
  auto reader = spool::open_spool_reader(directory, spool::ReadMode::snapshot);
  REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
  size_t frames = 0;
  for (const Lane lane : wire::lanes) {
    const auto read = (*reader)->read(made.sequence(lane), 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    for (const auto& frame : *read) frames += frame.intact && frame.bytes == made.frames.at(frame.info.id).bytes;
  }
  return frames;
}

// In a new spool or told to be lost: every frame and every unit of energy, but what came behind the last frame that is known.
spool::SalvageReport salvage_and_check(const std::string& directory, const WireSpool& made, bool complete) {
  const test::TemporaryDirectory to;
  auto report = spool::salvage_spool(directory, to / "new", {});
  REQUIRE_MESSAGE(report.ok(), (report ? "" : report.error().message));
  CHECK(report->host == test::test_host);
  std::set<wire::FrameId> there, lost;
  {
    auto reader = spool::open_spool_reader(to / "new", spool::ReadMode::snapshot);
    REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
    CHECK((*reader)->epoch() == report->epoch);
    for (const Lane lane : wire::lanes) {
      const auto frames = (*reader)->read(made.sequence(lane), 0, std::nullopt, SIZE_MAX, SIZE_MAX);
      for (const auto& frame : *frames) {
        CHECK(frame.intact);
        CHECK(frame.bytes == made.frames.at(frame.info.id).bytes);
        there.insert(frame.info.id);
      }
    }
    // What is lost is told in events of the new epoch.
    std::set<wire::FrameId> told;
    const auto events = (*reader)->read({WireSpool::device, report->epoch, Lane::event}, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    for (const auto& stored : *events) {
      const auto frame = wire::read_frame(stored.bytes);
      REQUIRE(std::holds_alternative<wire::Frame>(frame));
      const auto all = wire::read_events(std::get<wire::Frame>(frame).payload);
      for (const auto& event : *all) {
        const auto& gap = std::get<wire::Gap>(event);
        CHECK(gap.reason == wire::GapReason::corrupt);
        for (uint64_t seq = gap.frames->first; seq <= gap.frames->last; ++seq)
          told.insert({{WireSpool::device, gap.epoch, *gap.lane}, seq});
      }
    }
    for (const auto& sequence : report->sequences)
      for (const auto& run : sequence.lost)
        for (uint64_t seq = run.seqs.first; seq <= run.seqs.last; ++seq) lost.insert({sequence.sequence, seq});
    CHECK(told == lost);
  }
  CHECK(report->frames == there.size());
  CHECK(report->frames_lost == lost.size());
  int128 in = 0, out = 0;
  for (const auto& [id, frame] : made.frames) {
    CHECK(!(there.contains(id) && lost.contains(id)));
    if (complete) CHECK((there.contains(id) || lost.contains(id)));
    if (id.sequence.lane != Lane::stat) continue;
    in += frame.header.p_sum;
    if (there.contains(id) || lost.contains(id)) out += frame.header.p_sum;
  }
  if (complete) CHECK((in == out));
  auto writer = WireSpool::open(to / "new");
  CHECK(writer->epoch() == report->epoch);
  return *report;
}

uint64_t count_lost(const WireSpool& made, const Seen& seen) { return made.frames.size() - seen.intact.size(); }

constexpr size_t commits = 40;

}  // namespace

TEST_CASE("salvage: frames of a segment whose state cannot be read are all there, and position and totals with them") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), commits);
  const auto numbers = spool::list_segments(directory.path());
  REQUIRE(numbers.size() > 3);
  SUBCASE("the newest") { damage_meta(newest_log(directory.path())); }
  SUBCASE("the newest three") {
    for (size_t k = 1; k <= 3; ++k) damage_meta(log_of(directory.path(), numbers[numbers.size() - k]));
  }
  SUBCASE("all") {
    for (const uint64_t number : numbers) damage_meta(log_of(directory.path(), number));
  }
  const auto report = salvage_and_check(directory.path(), made, true);
  CHECK(report.frames_lost == 0);
  CHECK(!report.is_exact);
  CHECK(frames_read_only(directory.path(), made) == made.frames.size());
  const Seen seen = open_and_check(directory.path(), made);
  CHECK(seen.epoch != made.epoch);
  CHECK(count_lost(made, seen) == 0);
  CHECK(seen.damaged.empty());
  CHECK(seen.position.sample_id_end == made.sample_id_end);
  CHECK(seen.position.totals == made.totals);
  CHECK(!fs::exists(directory / "damaged-1"));
}

TEST_CASE("salvage: whatever bit of the first bytes of a log is flipped, nothing is lost") {
  const test::TemporaryDirectory original(test::Storage::memory);
  const WireSpool made(original.path(), commits);
  for (size_t at = 0; at < 32; ++at) {
    CAPTURE(at);
    const test::TemporaryDirectory directory(test::Storage::memory);
    fs::copy(original.path(), directory.path(), fs::copy_options::recursive);
    wire::Bytes bytes = test::read_file(newest_log(directory.path()));
    bytes[at] ^= static_cast<std::byte>(1U << (at % 8));
    test::write_file(newest_log(directory.path()), bytes);
    const Seen seen = open_and_check(directory.path(), made);
    CHECK(count_lost(made, seen) == 0);
    CHECK(seen.position.sample_id_end == made.sample_id_end);
    CHECK(seen.position.totals == made.totals);
  }
}

TEST_CASE("salvage: of a segment that has lost its state and more, everything that is whole is delivered") {
  const uint64_t seed = test::first_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const test::TemporaryDirectory original(test::Storage::memory);
  const WireSpool made(original.path(), commits);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    const test::TemporaryDirectory directory(test::Storage::memory);
    fs::copy(original.path(), directory.path(), fs::copy_options::recursive);
    const std::string log = newest_log(directory.path());
    const size_t size = fs::file_size(log);
    uint64_t lost_max = 0;
    damage_meta(log);
    if (round == 0) {  // the first 64 KiB
      zero(log, 0, 65536);
      lost_max = 12;
    } else if (round == 1) {  // half of it is gone
      fs::resize_file(log, size / 2);
      lost_max = made.frames.size() / 4;
    } else {
      for (int block = 0; block < 4; ++block) {
        zero(log, random() % (size / 4096) * 4096, 4096);
        lost_max += 8;  // the rows of a page, or two
      }
    }
    const auto report = salvage_and_check(directory.path(), made, false);
    const Seen seen = open_and_check(directory.path(), made);
    CHECK(report.frames == seen.intact.size());
    CHECK(report.frames_lost == seen.damaged.size());
    CHECK(count_lost(made, seen) <= lost_max);
    // The energy of what is there, and of what was there when the state was last read.
    if (seen.damaged.empty() && seen.position.sample_id_end == made.sample_id_end) CHECK(seen.position.totals == made.totals);
  }
}

TEST_CASE("salvage: a newest segment of which nothing is left is moved aside, and the spool goes on behind the one before") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), commits);
  test::write_file(newest_log(directory.path()), wire::Bytes(100'000, std::byte{0x5A}));
  const Seen seen = open_and_check(directory.path(), made);
  CHECK(seen.epoch != made.epoch);
  CHECK(seen.position.sample_id_end < made.sample_id_end);
  CHECK(seen.damaged.empty());
  CHECK(fs::exists(directory / "damaged-1"));
}

TEST_CASE("salvage: a damaged segment between others loses only what is damaged") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), commits);
  const auto numbers = spool::list_segments(directory.path());
  const std::string log = log_of(directory.path(), numbers[numbers.size() / 2]);
  zero(log, 0, 32);
  zero(log, fs::file_size(log) / 2, 3 * 4096);
  const auto report = salvage_and_check(directory.path(), made, true);
  CHECK(report.is_exact);
  CHECK(report.frames_lost <= 4);
  REQUIRE(report.frames_lost > 0);
  const Seen seen = open_and_check(directory.path(), made);
  CHECK(seen.damaged.size() == report.frames_lost);
  CHECK(seen.position.totals == made.totals);
}

TEST_CASE("salvage: frames that were acknowledged are not lost, and a whole spool comes over as it is") {
  const test::TemporaryDirectory directory, to;
  const WireSpool made(directory.path(), commits);
  {
    auto writer = WireSpool::open(directory.path());
    REQUIRE(writer->commit(test::commit_stored(made.sequence(Lane::stat), 1, 25)).ok());
    spool::Commit aside;
    aside.set_aside = {{made.sequence(Lane::wave), 3}};
    REQUIRE(writer->commit(aside).ok());
  }
  ::chmod(directory.path().c_str(), 0500);
  uint64_t done = 0, all = 0;
  spool::SalvageOptions options;
  options.progress = [&](const spool::SalvageProgress& progress) {
    CHECK(progress.bytes_done >= done);
    done = progress.bytes_done;
    all = progress.bytes_all;
  };
  const auto before = fs::last_write_time(newest_log(directory.path()));
  const auto report = spool::salvage_spool(directory.path(), to / "new", options);
  ::chmod(directory.path().c_str(), 0700);
  REQUIRE(report.ok());
  CHECK(report->is_exact);
  CHECK(report->frames_lost == 0);
  CHECK(report->gap_records == 0);
  CHECK(report->frames == made.frames.size() - 26);
  CHECK(report->quarantined_files == 1);
  CHECK((done == all && done == report->bytes));
  CHECK(fs::last_write_time(newest_log(directory.path())) == before);
  CHECK(spool::open_spool_reader(to / "new").value()->positions()->front().totals == made.totals);
  CHECK(spool::open_spool_reader(directory.path()).value()->usage()->wear.appended_bytes > 0);
  CHECK(spool::open_spool_reader(to / "new").value()->usage()->wear.appended_bytes == 0);
  CHECK(spool::open_spool_reader(to / "new").value()->usage()->wear.since_utc_ns == 0);
  CHECK(WireSpool::open(to / "new")->usage()->wear.since_utc_ns > 0);
  CHECK(spool::salvage_spool(directory.path(), to / "new").error().code == Errc::usage);
  CHECK(spool::salvage_spool(directory.path(), directory / "inside").error().code == Errc::usage);
  CHECK(spool::salvage_spool(to / "nothing", to / "other").error().code == Errc::not_found);
}

TEST_CASE("salvage: segments that were moved aside come back with what can be read of them") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), commits);
  const auto numbers = spool::list_segments(directory.path());
  REQUIRE(fs::create_directory(directory / "damaged-1"));
  for (const char* part : {"", "-wal"}) {
    const std::string file = spool::segment_path(directory.path(), numbers[1]) + part;
    fs::rename(file, fs::path(directory / "damaged-1") / fs::path(file).filename());
  }
  const auto report = salvage_and_check(directory.path(), made, true);
  CHECK(report.frames_lost == 0);
}

TEST_CASE("salvage: a spool of schema 1 becomes one of segments") {
  const test::TemporaryDirectory directory, to;
  fs::copy_file(fs::path(JOULESPOOL_TEST_DATA) / "spools/1/spool.db", directory / "spool.db");
  auto before = spool::open_spool_reader(directory.path(), spool::ReadMode::snapshot);
  const auto report = spool::salvage_spool(directory.path(), to / "new");
  REQUIRE_MESSAGE(report.ok(), (report ? "" : report.error().message));
  CHECK(report->frames_lost == 0);
  auto after = spool::open_spool_reader(to / "new", spool::ReadMode::snapshot);
  CHECK((*before)->usage()->payload_bytes == (*after)->usage()->payload_bytes);
  CHECK((*before)->positions()->front().sample_id_end == (*after)->positions()->front().sample_id_end);
  const auto usage = (*before)->usage();
  for (const auto& lane : usage->lanes)
    CHECK(test::seqs_of(*(*after)->list(lane.sequence, 0, SIZE_MAX)) ==
          test::seqs_of(*(*before)->list(lane.sequence, 0, SIZE_MAX)));
}
