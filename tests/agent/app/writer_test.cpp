#include "agent/app/writer.h"

#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "agent/spool/sqlite_spool.h"
#include "tests/agent/app/frame_account.h"
#include "tests/support/sqlite_fault_vfs.h"
#include "tests/support/temporary_directory.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;

constexpr const char* device_id = "js220-000001";
constexpr size_t block_samples = 20'000;

// A real spool with a writer on its own thread.
struct Bench {
  TemporaryDirectory directory;
  SystemClock clock;
  app::SampleRing ring{{{device_id, 4 * block_samples}}};
  std::unique_ptr<spool::SpoolWriter> spool;
  std::unique_ptr<app::Writer> writer;
  std::jthread thread;

  Bench() {
    auto opened = spool::open_spool_writer({directory.path(), "host-1", 1ULL << 30});
    REQUIRE(opened.ok());
    spool = std::move(*opened);
    app::PipelineSettings pipeline = settings(app::WaveMode::upload);
    pipeline.epoch = spool->epoch();
    std::vector<std::unique_ptr<app::DevicePipeline>> pipelines;
    pipelines.push_back(std::make_unique<app::DevicePipeline>(pipeline, std::nullopt, app::NextSeqs{1, 1, 1}));
    writer = std::make_unique<app::Writer>(app::WriterSettings{10}, clock, ring, *spool, std::move(pipelines),
                                           app::Writer::Listener{[] {}, [](const std::string&, const wire::Event&) {}});
    thread = std::jthread([this](const std::stop_token& stop) { writer->run(stop); });
  }

  void feed(uint64_t tick) {
    const auto deadline_ns = clock.monotonic_ns() + 60 * ns_per_s;
    while (!ring.wait_for_room(device_id, block_samples, std::chrono::milliseconds(100)))
      REQUIRE(clock.monotonic_ns() < deadline_ns);
    const app::OwnedBlock owned = block(tick, block_samples, 5);
    signal::SampleBlock view;
    view.sample_id = owned.sample_id;
    view.axis = owned.axis;
    view.utc = owned.utc;
    view.i = owned.i;
    view.v = owned.v;
    ring.on_samples(device_id, view);
  }

  std::vector<spool::StoredFrame> stop_and_read() {
    thread.request_stop();
    thread.join();
    std::vector<spool::StoredFrame> all;
    auto reader = spool::open_spool_reader(directory.path());
    REQUIRE(reader.ok());
    for (const wire::Lane lane : wire::lanes) {
      uint64_t after = 0;
      for (;;) {
        auto some = (*reader)->read({device_id, spool->epoch(), lane}, after, std::nullopt, 100, 1 << 24);
        REQUIRE(some.ok());
        if (some->empty()) break;
        for (spool::StoredFrame& frame : *some) {
          REQUIRE(frame.intact);
          REQUIRE(frame.info.id.seq == after + 1);  // numbers without a hole, each once
          after = frame.info.id.seq;
          all.push_back(std::move(frame));
        }
      }
    }
    return all;
  }
};

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
    Bench bench;
    uint64_t tick = 0;
    for (int step = 0; step < 60; ++step) {
      if (random() % 4 == 0) {
        const auto fault = static_cast<DiskFault>(random() % 3);
        FaultVfs::fail(fault, static_cast<int64_t>(random() % 5), 1 + static_cast<int64_t>(random() % 40));
      }
      bench.feed(tick);
      tick += block_samples * decimation;
      if (random() % 3 == 0) FaultVfs::heal();
    }
    FaultVfs::fail(DiskFault::sync_error, 0, 3);  // and one that surely hits
    const auto deadline_ns = bench.clock.monotonic_ns() + 30 * ns_per_s;
    while (bench.writer->status().commits_failed == 0) {
      REQUIRE(bench.clock.monotonic_ns() < deadline_ns);
      bench.feed(tick);
      tick += block_samples * decimation;
    }
    FaultVfs::heal();
    const auto frames = bench.stop_and_read();
    check_account(account_of(frames), tick);
  }
}

TEST_CASE("writer: acked frames leave with the next commit, lost ones leave a gap record") {
  Bench bench;
  bench.feed(0);
  const auto deadline_ns = bench.clock.monotonic_ns() + 30 * ns_per_s;
  const auto queued = [&] {
    uint64_t frames = 0;
    for (const auto& lane : bench.writer->status().usage.lanes)
      frames += lane.sequence.lane == wire::Lane::wave ? lane.queued_frames : 0;
    return frames;
  };
  while (queued() < 3) REQUIRE(bench.clock.monotonic_ns() < deadline_ns);
  const uint64_t before = queued();
  const wire::FrameSequence waves{device_id, bench.spool->epoch(), wire::Lane::wave};
  bench.writer->frames_stored({{waves, {1, 2}}});
  bench.writer->frame_lost({waves, 3}, wire::GapReason::corrupt, "test");
  bench.feed(block_samples * decimation);
  while (bench.writer->status().usage.quarantined_frames == 0) REQUIRE(bench.clock.monotonic_ns() < deadline_ns);
  bench.thread.request_stop();
  bench.thread.join();
  CHECK(before >= 3);
  CHECK_FALSE(bench.spool->find({waves, 1}).ok());
  CHECK_FALSE(bench.spool->find({waves, 3}).ok());
  auto reader = spool::open_spool_reader(bench.directory.path());
  if (!reader) FAIL(reader.error().message);
  const auto events = (*reader)->read({device_id, bench.spool->epoch(), wire::Lane::event}, 0, std::nullopt, 100, 1 << 20);
  REQUIRE(events.ok());
  size_t gaps = 0;
  for (const auto& gap : account_of(*events).gap_list)
    gaps += gap.reason == wire::GapReason::corrupt && gap.frames == wire::SeqRange{3, 3} ? 1U : 0U;
  CHECK(gaps == 1);
}
