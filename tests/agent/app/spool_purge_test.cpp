#include "agent/app/spool_purge.h"

#include <doctest/doctest.h>

#include "agent/app/lost_frames.h"
#include "agent/spool/sqlite_spool.h"
#include "agent/wire/frame.h"
#include "tests/support/frame_factory.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

namespace joulespool::test {
namespace {

using spool::FrameState;
using wire::Lane;

constexpr const char* device = "js220-000001";
constexpr int64_t day_2026_ns = 1'767'225'600 * ns_per_s;

// A spool of one device: frame `seq` of each lane covers [seq, seq + 1) ms since the beginning of 2026.
struct Bench {
  TemporaryDirectory directory{Storage::memory};
  SystemClock clock;
  std::unique_ptr<spool::SpoolWriter> writer;

  Bench() { open("boot-1"); }

  void open(const std::string& boot) {
    writer.reset();
    auto opened = spool::open_spool_writer({.directory = directory.path(), .host = test_host, .boot = boot});
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().message));
    writer = std::move(*opened);
  }
  // `with_position` false: as if the state had been lost.
  void add(Lane lane, uint64_t first, size_t count, FrameState state = FrameState::queued, bool with_position = true) {
    spool::Commit commit = commit_of({device, writer->epoch(), lane}, first, count, 1000, state);
    for (spool::NewFrame& frame : commit.frames) {
      frame.info.utc_first_ns += day_2026_ns;
      frame.info.utc_end_ns += day_2026_ns;
    }
    if (with_position) commit.positions.push_back(position_at(device, 1'000'000));
    REQUIRE(writer->commit(commit).ok());
  }
  [[nodiscard]] std::unique_ptr<spool::SpoolReader> reader() const {
    auto opened = spool::open_spool_reader(directory.path());
    REQUIRE(opened.ok());
    return std::move(*opened);
  }
  [[nodiscard]] app::PurgePlan plan(const std::vector<wire::FrameSequence>& sequences, std::optional<int64_t> before = {}) const {
    auto planned = app::plan_purge(*reader(), sequences, before);
    REQUIRE(planned.ok());
    return std::move(*planned);
  }
  [[nodiscard]] wire::FrameSequence sequence(Lane lane) const { return {device, writer->epoch(), lane}; }
  Result<app::PurgeCounts> purge(const app::PurgePlan& plan) {
    return app::purge_frames(*writer, *reader(), plan, "purged by a test", clock);
  }
  [[nodiscard]] std::vector<uint64_t> seqs(const wire::FrameSequence& of) const {
    const auto frames = reader()->list(of, 0, 10'000);
    REQUIRE(frames.ok());
    return seqs_of(*frames);
  }
  // Gap records in lane event of the present epoch, of the real frames there.
  [[nodiscard]] std::vector<wire::Gap> gaps() const {
    std::vector<wire::Gap> found;
    const auto frames = reader()->read(sequence(Lane::event), 0, std::nullopt, 1000, 1 << 24);
    REQUIRE(frames.ok());
    for (const spool::StoredFrame& stored : *frames) {
      const auto read = wire::read_frame(stored.bytes);
      if (!std::holds_alternative<wire::Frame>(read)) continue;
      const auto events = wire::read_events(std::get<wire::Frame>(read).payload);
      REQUIRE(events.ok());
      for (const wire::Event& event : *events)
        if (const auto* gap = std::get_if<wire::Gap>(&event)) found.push_back(*gap);
    }
    return found;
  }
};

}  // namespace

TEST_CASE("purge: frames that wait leave with one gap record for those that follow each other") {
  Bench bench;
  bench.add(Lane::stat, 1, 20);
  const app::PurgePlan plan = bench.plan({bench.sequence(Lane::stat)});
  REQUIRE(plan.parts.size() == 1);
  CHECK(plan.parts[0].frames() == 20);
  CHECK(plan.parts[0].bytes == 20'000);
  CHECK(plan.parts[0].unsent_frames == 20);
  CHECK(plan.parts[0].utc_first_ns == day_2026_ns + ns_per_ms);
  CHECK(plan.parts[0].utc_end_ns == day_2026_ns + 21 * ns_per_ms);
  const auto counts = bench.purge(plan);
  REQUIRE(counts.ok());
  CHECK(counts->frames == 20);
  CHECK(counts->unsent_frames == 20);
  CHECK(bench.seqs(bench.sequence(Lane::stat)).empty());
  const auto gaps = bench.gaps();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].reason == wire::GapReason::evicted);
  CHECK(gaps[0].detail == "purged by a test");
  CHECK(gaps[0].lane == Lane::stat);
  CHECK(gaps[0].frames == wire::SeqRange{1, 20});
  CHECK(gaps[0].samples_lost == 20'000);
  CHECK(gaps[0].sample_id_first == 1000);
  CHECK(gaps[0].sample_id_end == 21'000);
  CHECK(gaps[0].epoch == 0);
  // The device goes on where it was.
  const auto positions = bench.writer->positions();
  REQUIRE(positions.ok());
  CHECK(positions->at(0).sample_id_end == 1'000'000);
  CHECK(positions->at(0).totals.samples == 1'000'000);
}

TEST_CASE("purge: a time leaves what ends after it, and what has no time") {
  Bench bench;
  bench.add(Lane::stat, 1, 5);
  const app::PurgePlan plan = bench.plan({bench.sequence(Lane::stat)}, day_2026_ns + 4 * ns_per_ms);
  REQUIRE(bench.purge(plan).ok());
  CHECK(bench.seqs(bench.sequence(Lane::stat)) == std::vector<uint64_t>{4, 5});

  spool::Commit commit = commit_of(bench.sequence(Lane::stat), 6, 2, 1000);  // of 1970
  REQUIRE(bench.writer->commit(commit).ok());
  const app::PurgePlan all = bench.plan({bench.sequence(Lane::stat)}, day_2026_ns + ns_per_s);
  CHECK(all.frames_without_time == 2);
  REQUIRE(bench.purge(all).ok());
  CHECK(bench.seqs(bench.sequence(Lane::stat)) == std::vector<uint64_t>{6, 7});
}

TEST_CASE("purge: kept frames were never to be sent, so no record tells of them") {
  Bench bench;
  bench.add(Lane::wave, 1, 10, FrameState::kept);
  const auto counts = bench.purge(bench.plan({bench.sequence(Lane::wave)}));
  REQUIRE(counts.ok());
  CHECK(counts->frames == 10);
  CHECK(counts->unsent_frames == 0);
  CHECK(bench.gaps().empty());
  CHECK(bench.seqs(bench.sequence(Lane::wave)).empty());
}

TEST_CASE("purge: of everything, the records of it stay") {
  Bench bench;
  bench.add(Lane::event, 1, 3);
  bench.add(Lane::stat, 1, 2500);  // several transactions
  bench.add(Lane::wave, 1, 2);
  const auto counts =
      bench.purge(bench.plan({bench.sequence(Lane::event), bench.sequence(Lane::stat), bench.sequence(Lane::wave)}));
  REQUIRE(counts.ok());
  CHECK(counts->frames == 2505);
  CHECK(bench.seqs(bench.sequence(Lane::event)) == std::vector<uint64_t>{4, 5, 6, 7, 8});
  uint64_t events = 0, stats = 0, waves = 0;
  for (const wire::Gap& gap : bench.gaps())
    (gap.lane == Lane::event ? events : gap.lane == Lane::stat ? stats : waves) += gap.frames->last - gap.frames->first + 1;
  CHECK(events == 3);
  CHECK(stats == 2500);
  CHECK(waves == 2);
}

TEST_CASE("purge: frames of an earlier epoch are named with it") {
  Bench bench;
  bench.add(Lane::stat, 1, 3);
  const wire::FrameSequence old = bench.sequence(Lane::stat);
  const std::string copy = bench.directory.path() + "-copy";
  std::filesystem::copy(bench.directory.path(), copy, std::filesystem::copy_options::recursive);  // as a power cut leaves it
  bench.writer.reset();
  std::filesystem::remove_all(bench.directory.path());
  std::filesystem::rename(copy, bench.directory.path());
  bench.open("boot-2");
  REQUIRE(bench.writer->epoch() != old.epoch);
  REQUIRE(bench.purge(bench.plan({old})).ok());
  const auto gaps = bench.gaps();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].epoch == old.epoch);
  CHECK(gaps[0].frames == wire::SeqRange{1, 3});
}

TEST_CASE("purge: with a merged frame those for which it stands are named") {
  Bench bench;
  FrameFactory factory(device);
  factory.header.epoch = bench.writer->epoch();
  factory.header.replaces = {{bench.writer->epoch() ^ 1, {1, 10}}};  // of an earlier epoch
  spool::Commit commit = commit_of(bench.sequence(Lane::stat), 1, 1, 10);
  commit.frames[0].bytes = factory.flat_stat(0, 10'000);
  commit.frames[0].info.level = 1;
  commit.positions.push_back(position_at(device, 1'000'000));
  REQUIRE(bench.writer->commit(commit).ok());
  REQUIRE(bench.purge(bench.plan({bench.sequence(Lane::stat)})).ok());
  REQUIRE(bench.gaps().size() == 1);
  CHECK(bench.gaps()[0].replaced == factory.header.replaces);
}

TEST_CASE("purge: where nothing could be recorded, nothing goes") {
  Bench bench;
  bench.add(Lane::stat, 1, 3, FrameState::queued, false);
  const auto refused = bench.purge(bench.plan({bench.sequence(Lane::stat)}));
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Errc::damaged);
  CHECK(refused.error().message.find("nothing is known of js220-000001") != std::string::npos);
  CHECK(bench.seqs(bench.sequence(Lane::stat)).size() == 3);
}

TEST_CASE("purge: what came or went since it was planned stays, or is not counted") {
  Bench bench;
  bench.add(Lane::stat, 1, 10);
  const app::PurgePlan plan = bench.plan({bench.sequence(Lane::stat)});
  REQUIRE(bench.writer->commit(commit_stored(bench.sequence(Lane::stat), 1, 4)).ok());
  bench.add(Lane::stat, 11, 2);
  const auto counts = bench.purge(plan);
  REQUIRE(counts.ok());
  CHECK(counts->frames == 6);
  CHECK(bench.seqs(bench.sequence(Lane::stat)) == std::vector<uint64_t>{11, 12});
  REQUIRE(bench.gaps().size() == 1);
  CHECK(bench.gaps()[0].frames == wire::SeqRange{5, 10});
}

TEST_CASE("lost frames: records are joined only where frames and samples follow each other") {
  const auto gap = [](uint64_t seq, uint64_t axis = 77) {
    spool::FrameInfo info = new_frame({device, 1, Lane::stat}, seq, 10).info;
    info.axis = axis;
    return app::gap_of(info, 1, wire::GapReason::evicted, "x");
  };
  wire::Gap first = gap(1);
  CHECK(!app::extend(first, gap(3)));
  CHECK(!app::extend(first, gap(2, 78)));
  CHECK(first == gap(1));
  CHECK(app::extend(first, gap(2)));
  CHECK(first.frames == wire::SeqRange{1, 2});
  CHECK(first.samples_lost == 2000);
  CHECK(first.utc_end_ns == gap(2).utc_end_ns);
}

}  // namespace joulespool::test
