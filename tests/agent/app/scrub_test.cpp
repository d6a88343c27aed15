#include "agent/app/scrub.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>

#include "agent/spool/sqlite_spool.h"
#include "tests/agent/app/writer_run.h"
#include "tests/support/spool_damage.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;

constexpr int64_t hour_ns = 3600 * ns_per_s;

struct Found {
  std::vector<std::pair<wire::FrameId, std::string>> damaged;
  bool may_read = true;
  std::optional<Error> refused;
};

app::Scrub::Surroundings around(const std::string& directory, Found& found) {
  app::Scrub::Surroundings around;
  around.open = [&directory, &found]() -> Result<std::unique_ptr<spool::SpoolReader>> {
    if (found.refused) return *found.refused;
    return spool::open_spool_reader(directory);
  };
  around.damaged = [&](const wire::FrameId& id, const std::string& what) { found.damaged.emplace_back(id, what); };
  around.may_read = [&] { return found.may_read; };
  return around;
}

// Lets the time go to whenever the check wants to go on, until it has finished that many rounds; what that took.
int64_t run_rounds(app::Scrub& scrub, ManualClock& clock, uint64_t rounds) {
  const int64_t begin_ns = clock.monotonic_ns();
  while (scrub.status().rounds < rounds) {
    const int64_t due_ns = scrub.advance();
    if (scrub.status().rounds < rounds) clock.advance(due_ns - clock.monotonic_ns());
    REQUIRE(clock.monotonic_ns() - begin_ns < 100 * hour_ns);
  }
  return clock.monotonic_ns() - begin_ns;
}

// A real frame of lane wave: `size` bytes of payload that nobody decodes.
spool::NewFrame whole_frame(const wire::FrameSequence& sequence, uint64_t seq, size_t size) {
  spool::NewFrame frame = new_frame(sequence, seq, size);
  wire::FrameHeader header;
  header.host = test_host;
  header.device = {sequence.device, "js220", "000001"};
  header.lane = sequence.lane;
  header.epoch = sequence.epoch;
  header.seq = seq;
  header.codec = 2;
  header.axis = {77, 2'000'000, 1};
  header.sample_id_first = frame.info.sample_id_first;
  header.sample_id_end = frame.info.sample_id_end;
  header.samples = header.valid = frame.info.samples;
  header.utc = {0, 0, 1e6, wire::UtcQuality::host};
  frame.bytes = wire::write_frame(header, frame.bytes);
  return frame;
}

// A spool of three sequences with 30 frames each.
struct Stock {
  TemporaryDirectory directory{Storage::memory};
  std::unique_ptr<spool::SpoolWriter> writer;
  uint64_t bytes = 0;

  Stock() {
    auto opened = spool::open_spool_writer({directory.path(), test_host, 8ULL << 20});
    REQUIRE(opened.ok());
    writer = std::move(*opened);
    for (const wire::Lane lane : wire::lanes) {
      for (uint64_t seq = 1; seq <= 30; ++seq) {
        spool::Commit commit;
        commit.frames = {whole_frame(sequence(lane), seq, 20'000)};
        bytes += commit.frames[0].bytes.size();
        REQUIRE(writer->commit(commit).ok());
      }
    }
  }
  [[nodiscard]] wire::FrameSequence sequence(wire::Lane lane) const { return {device_id, writer->epoch(), lane}; }
  [[nodiscard]] wire::Bytes frame(wire::Lane lane, uint64_t seq) const { return whole_frame(sequence(lane), seq, 20'000).bytes; }
};

}  // namespace

TEST_CASE("scrub: the pause behind a read keeps the rate, and a round begins an interval after the one before") {
  app::ScrubPace pace({hour_ns, 1000}, 5 * ns_per_s);
  CHECK(pace.due_ns() == 5 * ns_per_s);
  pace.round_begins(5 * ns_per_s);
  pace.has_read(2500, 5 * ns_per_s);
  CHECK(pace.due_ns() == 7'500'000'000);
  pace.has_read(500, 100 * ns_per_s);  // late: nothing is made up for
  CHECK(pace.due_ns() == 100'500'000'000);
  pace.round_ends(101 * ns_per_s);
  CHECK(pace.due_ns() == 5 * ns_per_s + hour_ns);
  pace.round_begins(6 * ns_per_s);
  pace.round_ends(2 * hour_ns);  // took longer than the interval
  CHECK(pace.due_ns() == 2 * hour_ns);
}

TEST_CASE("scrub: every frame of every sequence is read once a round, at the rate that was set") {
  const Stock stock;
  ManualClock clock;
  Found found;
  constexpr uint64_t rate = 100'000;
  app::Scrub scrub({24 * hour_ns, rate}, clock, around(stock.directory.path(), found));
  CHECK(scrub.status().enabled);
  const int64_t took_ns = run_rounds(scrub, clock, 1);
  CHECK(scrub.status().frames_checked == 90);
  CHECK(scrub.status().bytes_checked == stock.bytes);
  CHECK(scrub.status().last_finished_utc_ns == clock.realtime_ns());
  CHECK(static_cast<double>(took_ns) == doctest::Approx(static_cast<double>(stock.bytes) / rate * 1e9).epsilon(0.01));
  CHECK(run_rounds(scrub, clock, 2) > 24 * hour_ns - took_ns - ns_per_s);
  CHECK(scrub.status().frames_checked == 180);
  CHECK(found.damaged.empty());
}

TEST_CASE("scrub: a read before it is due does nothing, and one that is off never reads") {
  const Stock stock;
  ManualClock clock;
  Found found;
  app::Scrub scrub({hour_ns, 1000}, clock, around(stock.directory.path(), found));
  const int64_t due_ns = scrub.advance();
  const uint64_t frames = scrub.status().frames_checked;
  CHECK(due_ns > clock.monotonic_ns());
  CHECK(scrub.advance() == due_ns);
  CHECK(scrub.status().frames_checked == frames);
  app::Scrub off({0, 1000}, clock, around(stock.directory.path(), found));
  off.run({});  // comes back
  CHECK_FALSE(off.status().enabled);
  CHECK(off.status().frames_checked == 0);
}

TEST_CASE("scrub: frames that leave while it reads are no error, and those that come are checked the next time") {
  const Stock stock;
  ManualClock clock;
  Found found;
  app::Scrub scrub({hour_ns, 100'000}, clock, around(stock.directory.path(), found));
  for (int portion = 0; portion < 2; ++portion) clock.advance(scrub.advance() - clock.monotonic_ns());
  for (const wire::Lane lane : wire::lanes) REQUIRE(stock.writer->commit(commit_stored(stock.sequence(lane), 1, 29)).ok());
  run_rounds(scrub, clock, 1);
  CHECK(scrub.status().frames_checked < 90);
  CHECK(found.damaged.empty());
  CHECK(scrub.status().error.empty());
}

TEST_CASE("scrub: a damaged frame is told once a round, with what is wrong, and its neighbours are well") {
  const Stock stock;
  REQUIRE(flip_in_frame(stock.directory.path(), stock.frame(wire::Lane::stat, 11)));
  spool::Commit foreign = commit_of(stock.sequence(wire::Lane::event), 31, 1, 5000);  // the checksum is right, but it is no frame
  REQUIRE(stock.writer->commit(foreign).ok());
  ManualClock clock;
  Found found;
  app::Scrub scrub({hour_ns, 1'000'000}, clock, around(stock.directory.path(), found));
  run_rounds(scrub, clock, 1);
  REQUIRE(found.damaged.size() == 2);
  std::map<wire::FrameId, std::string> damaged(found.damaged.begin(), found.damaged.end());
  CHECK(damaged[{stock.sequence(wire::Lane::stat), 11}] == "the stored bytes do not match their checksum");
  CHECK(damaged[{stock.sequence(wire::Lane::event), 31}].starts_with("no frame: "));
  CHECK(scrub.status().damaged_found == 2);
  CHECK(scrub.status().frames_checked == 91);
  run_rounds(scrub, clock, 2);
  CHECK(found.damaged.size() == 4);
}

TEST_CASE("scrub: it rests, and says why, when the spool cannot be read or commits fail, and then goes on where it was") {
  const Stock stock;
  ManualClock clock;
  Found found;
  app::Scrub scrub({hour_ns, 100'000}, clock, around(stock.directory.path(), found));
  for (int portion = 0; portion < 3; ++portion) clock.advance(scrub.advance() - clock.monotonic_ns());
  const uint64_t before = scrub.status().frames_checked;
  CHECK(before > 0);
  found.may_read = false;
  const int64_t due_ns = scrub.advance();
  CHECK(due_ns > clock.monotonic_ns());
  CHECK(scrub.status().error.empty());
  found.may_read = true;
  found.refused = Error{Errc::unreachable, "no permission"};
  clock.advance(due_ns - clock.monotonic_ns());
  clock.advance(scrub.advance() - clock.monotonic_ns());
  CHECK(scrub.status().error == "no permission");
  CHECK(scrub.status().frames_checked == before);
  found.refused.reset();
  run_rounds(scrub, clock, 1);
  CHECK(scrub.status().error.empty());
  CHECK(scrub.status().frames_checked == 90);
}

TEST_CASE("scrub: bytes that change on the medium become a corrupt gap record, and the frame goes into quarantine") {
  const TemporaryDirectory directory;
  constexpr uint64_t blocks = 20;
  auto run = std::make_unique<WriterRun>(directory.path());
  for (uint64_t at = 0; at < blocks; ++at) run->feed(at * block_samples * decimation);
  const auto samples_in = [](uint64_t samples) {
    return [samples](const app::WriterStatus& status) { return status.devices.at(0).totals.samples >= samples; };
  };
  run->wait_for(samples_in(blocks * block_samples - 2000));
  SUBCASE("while the agent runs") {}
  SUBCASE("while it is down") { run.reset(); }
  const auto before = all_frames(directory.path());
  const auto victim = std::find_if(before.begin(), before.end(), [](const spool::StoredFrame& frame) {
    return frame.info.id.sequence.lane == wire::Lane::wave && frame.info.id.seq == 3;
  });
  REQUIRE(victim != before.end());
  REQUIRE(flip_in_frame(directory.path(), victim->bytes));
  if (run == nullptr) run = std::make_unique<WriterRun>(directory.path());
  const bool same_epoch = run->spool->epoch() == victim->info.id.sequence.epoch;  // not if that is the newest segment

  ManualClock clock;
  Found found;
  app::Scrub::Surroundings surroundings = around(directory.path(), found);
  surroundings.damaged = [&](const wire::FrameId& id, const std::string& what) {
    run->writer->frame_lost(id, wire::GapReason::corrupt, what);
    run->writer->frame_lost(id, wire::GapReason::corrupt, "somebody else saw it, too");
  };
  app::Scrub scrub({hour_ns, 1 << 20}, clock, std::move(surroundings));
  run_rounds(scrub, clock, 1);
  CHECK(scrub.status().damaged_found == 1);
  run->wait_for([](const app::WriterStatus& status) { return status.usage.quarantined_frames == 1; });
  run.reset();

  const auto after = all_frames(directory.path());
  Account account;
  for (const auto& frame : after) {
    REQUIRE(frame.intact);
    CHECK(frame.info.id != victim->info.id);
    add_frame(frame.bytes, account);
  }
  std::vector<wire::Gap> corrupt;
  for (const wire::Gap& gap : account.gap_list)
    if (gap.reason == wire::GapReason::corrupt) corrupt.push_back(gap);
  REQUIRE(corrupt.size() == 1);
  const wire::Gap& gap = corrupt.front();
  CHECK(gap.frames == wire::SeqRange{3, 3});
  CHECK(gap.lane == wire::Lane::wave);
  CHECK(gap.sample_id_first == victim->info.sample_id_first);
  CHECK(gap.sample_id_end == victim->info.sample_id_end);
  CHECK(gap.samples_lost == victim->info.samples);
  CHECK(gap.epoch == (same_epoch ? 0 : victim->info.id.sequence.epoch));
  for (const auto& frame : before) {
    const bool there = std::any_of(after.begin(), after.end(), [&](const spool::StoredFrame& other) {
      return other.info.id == frame.info.id && other.bytes == frame.bytes;
    });
    CHECK(there == (frame.info.id != victim->info.id));
  }
  IntervalSet everything = account.waves;
  for (const auto& lost : account.gaps.intervals()) everything.insert(lost.first, lost.end);
  CHECK(everything.missing(0, blocks * block_samples * decimation).empty());
  CHECK(account.overlaps == 0);
  // The writer may still have the bytes as they were in its memory; then it says "rejected".
  const auto quarantine = std::filesystem::directory_iterator(directory / "quarantine");
  CHECK(quarantine->path().filename().string().starts_with("js220-000001-wave-3-"));
}
