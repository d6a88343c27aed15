#include "agent/app/writer.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "agent/spool/sqlite_spool.h"
#include "tests/agent/app/frame_account.h"
#include "tests/agent/app/writer_run.h"
#include "tests/support/sqlite_fault_vfs.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;

constexpr uint64_t budget_bytes = 1ULL << 30;

// The numbers of each lane: without a hole, each once.
std::vector<spool::StoredFrame> stop_and_read(WriterRun& run, const std::string& directory) {
  run.thread.request_stop();
  run.thread.join();
  auto frames = all_frames(directory);
  std::map<wire::FrameSequence, uint64_t> last;
  for (const spool::StoredFrame& frame : frames) {
    REQUIRE(frame.intact);
    REQUIRE(frame.info.id.seq == ++last[frame.info.id.sequence]);
  }
  return frames;
}

void check_account(const Account& account, uint64_t end) {
  IntervalSet everything = account.waves;
  uint64_t overlaps = account.overlaps;
  for (const auto& gap : account.gaps.intervals()) overlaps += everything.insert(gap.first, gap.end);
  CHECK(overlaps == 0);
  CHECK(everything.missing(0, end).empty());
  CHECK(account.lost * decimation == account.gaps.size());
  CHECK(account.stat == totals_over(account.waves));
}

}  // namespace

TEST_CASE("writer: a disk that fails to write or to sync now and then costs gap records only, and no number is used twice") {
  FaultVfs::install();
  for (const uint32_t seed : {1U, 2U, 3U, 4U}) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const TemporaryDirectory directory;
    WriterRun run(directory.path(), budget_bytes);
    uint64_t tick = 0;
    for (int step = 0; step < 60; ++step) {
      if (random() % 4 == 0) {
        const auto fault = static_cast<DiskFault>(random() % 3);
        FaultVfs::fail(fault, static_cast<int64_t>(random() % 5), 1 + static_cast<int64_t>(random() % 40));
      }
      run.feed(tick);
      tick += block_samples * decimation;
      if (random() % 3 == 0) FaultVfs::heal();
    }
    FaultVfs::fail(DiskFault::sync_error, 0, 3);  // and one that surely hits
    const auto deadline_ns = run.clock.monotonic_ns() + 30 * ns_per_s;
    while (run.writer->status().commits_failed == 0) {
      REQUIRE(run.clock.monotonic_ns() < deadline_ns);
      run.feed(tick);
      tick += block_samples * decimation;
    }
    FaultVfs::heal();
    const auto frames = stop_and_read(run, directory.path());
    check_account(account_of(frames), tick);
  }
}

TEST_CASE("writer: acked frames leave with the next commit, lost ones leave a gap record") {
  const TemporaryDirectory directory;
  WriterRun run(directory.path(), budget_bytes);
  run.feed(0);
  const auto deadline_ns = run.clock.monotonic_ns() + 30 * ns_per_s;
  const auto queued = [&] {
    uint64_t frames = 0;
    for (const auto& lane : run.writer->status().usage.lanes)
      frames += lane.sequence.lane == wire::Lane::wave ? lane.queued_frames : 0;
    return frames;
  };
  while (queued() < 3) REQUIRE(run.clock.monotonic_ns() < deadline_ns);
  const uint64_t before = queued();
  const wire::FrameSequence waves{device_id, run.spool->epoch(), wire::Lane::wave};
  run.writer->frames_stored({{waves, {1, 2}}});
  run.writer->frame_lost({waves, 3}, wire::GapReason::corrupt, "test");
  run.feed(block_samples * decimation);
  while (run.writer->status().usage.quarantined_frames == 0) REQUIRE(run.clock.monotonic_ns() < deadline_ns);
  run.thread.request_stop();
  run.thread.join();
  CHECK(before >= 3);
  CHECK_FALSE(run.spool->find({waves, 1}).ok());
  CHECK_FALSE(run.spool->find({waves, 3}).ok());
  auto reader = spool::open_spool_reader(directory.path());
  if (!reader) FAIL(reader.error().message);
  const auto events = (*reader)->read({device_id, run.spool->epoch(), wire::Lane::event}, 0, std::nullopt, 100, 1 << 20);
  REQUIRE(events.ok());
  size_t gaps = 0;
  for (const auto& gap : account_of(*events).gap_list)
    gaps += gap.reason == wire::GapReason::corrupt && gap.frames == wire::SeqRange{3, 3} ? 1U : 0U;
  CHECK(gaps == 1);
}
