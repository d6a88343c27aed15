// A full spool: what it takes of the disk, and what it costs to keep it so.
#include <doctest/doctest.h>

#include <algorithm>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using spool::FrameState;
using wire::FrameSequence;
using wire::Lane;

TEST_CASE("spool: with room made before each commit it stays within its budget, log and reserve included") {
  struct Case {
    uint64_t budget;
    size_t size;
  };
  for (const Case one : {Case{16ULL << 20, 120'000}, Case{12ULL << 20, 1500}, Case{24ULL << 20, 9000}}) {
    const uint64_t budget = one.budget;
    const size_t size = one.size;
    CAPTURE(budget);
    const test::TemporaryDirectory directory(test::Storage::memory);
    auto writer = spool::open_spool_writer({directory.path(), test::test_host, budget});
    REQUIRE(writer.ok());
    const FrameSequence wave{"js220-001122", (*writer)->epoch(), Lane::wave};
    const size_t count = 400'000 / size + 1;
    uint64_t most = 0;
    size_t dropped = 0;
    for (uint64_t written = 0; written < 3 * budget; written += count * size) {
      auto commit = test::commit_of(wave, (*writer)->next_seq(wave), count, size, FrameState::kept);
      const auto plan = (*writer)->make_room({.bytes = count * size});
      for (const auto& victim : plan->drop) commit.dropped.push_back(victim.id);
      dropped += commit.dropped.size();
      REQUIRE((*writer)->commit(commit).ok());
      most = std::max(most, (*writer)->usage()->disk_bytes);
    }
    CHECK(dropped > 0);
    CHECK(most <= budget);
    CHECK(most > budget / 2);
    MESSAGE("budget " << budget << ", frames of " << size << ": at most " << most << " on disk, "
                      << (*writer)->usage()->payload_bytes << " of frames");
  }
}

// The waveform goes soon, windows stay: of the segments they share, only the windows (0.3) are written again, once. A commit of
// this size alone writes 1.35 times its bytes.
TEST_CASE("spool: full of frames that leave at different times, it stays within its budget and moves few of them") {
  constexpr uint64_t budget = 24ULL << 20;
  constexpr size_t stat_bytes = 30'000, wave_bytes = 70'000;
  const test::TemporaryDirectory directory(test::Storage::memory);
  auto writer = spool::open_spool_writer({directory.path(), test::test_host, budget});
  REQUIRE(writer.ok());
  const FrameSequence wave{"js220-001122", (*writer)->epoch(), Lane::wave}, stat{"js220-001122", (*writer)->epoch(), Lane::stat};
  uint64_t most = 0, stats_acked = 0;
  while ((*writer)->next_seq(wave) < 1500) {
    spool::Commit commit = test::commit_of(wave, (*writer)->next_seq(wave), 1, wave_bytes, FrameState::kept);
    commit.frames.push_back(test::new_frame(stat, (*writer)->next_seq(stat), stat_bytes));
    // Windows wait as long as 10 MB of them do.
    if (commit.frames.back().info.id.seq > 10'000'000 / stat_bytes) {
      ++stats_acked;
      commit.stored.push_back({stat, {stats_acked, stats_acked}});
    }
    const auto plan = (*writer)->make_room({.bytes = stat_bytes + wave_bytes});
    for (const auto& victim : plan->drop) {
      CHECK(victim.id.sequence == wave);
      commit.dropped.push_back(victim.id);
    }
    REQUIRE((*writer)->commit(commit).ok());
    most = std::max(most, (*writer)->usage()->disk_bytes);
  }
  CHECK(most <= budget);
  const spool::Wear wear = (*writer)->usage()->wear;
  MESSAGE("written " << wear.written_bytes << " for " << wear.appended_bytes);
  CHECK(static_cast<double>(wear.written_bytes) < 1.8 * static_cast<double>(wear.appended_bytes));
}
