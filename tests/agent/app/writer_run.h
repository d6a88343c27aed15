// A writer on a thread of its own, with a real spool and one device whose samples are a function of the tick.
#pragma once

#include <doctest/doctest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/app/writer.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/agent/app/frame_account.h"

namespace joulespool::test {

constexpr const char* device_id = "js220-000001";
constexpr size_t block_samples = 20'000;

struct WriterRun {
  SystemClock clock;
  app::SampleRing ring{{{device_id, 4 * block_samples}}};
  std::unique_ptr<spool::SpoolWriter> spool;
  std::unique_ptr<app::Writer> writer;
  std::jthread thread;
  std::mutex mutex;
  std::condition_variable committed;

  explicit WriterRun(const std::string& directory, uint64_t budget_bytes = 8ULL << 20) {
    auto opened = spool::open_spool_writer({directory, "host-1", budget_bytes});
    REQUIRE(opened.ok());
    spool = std::move(*opened);
    const auto positions = spool->positions();
    app::PipelineSettings pipeline = settings(app::WaveMode::upload);
    pipeline.epoch = spool->epoch();
    app::NextSeqs next{};
    for (const wire::Lane lane : wire::lanes)
      next[static_cast<size_t>(lane) - 1] = spool->next_seq({device_id, spool->epoch(), lane});
    std::vector<std::unique_ptr<app::DevicePipeline>> pipelines;
    pipelines.push_back(std::make_unique<app::DevicePipeline>(
        pipeline, positions->empty() ? std::nullopt : std::optional(positions->front()), next));
    app::Writer::Listener listener{[this] { committed.notify_all(); }, [](const std::string&, const wire::Event&) {}};
    writer =
        std::make_unique<app::Writer>(app::WriterSettings{10}, clock, ring, *spool, std::move(pipelines), std::move(listener));
    thread = std::jthread([this](const std::stop_token& stop) { writer->run(stop); });
  }
  // A block from there on; `waits` for room in the ring, or takes an overrun.
  void feed(uint64_t tick, bool waits = true) {
    if (waits) REQUIRE(ring.wait_for_room(device_id, block_samples, std::chrono::seconds(60)));
    const app::OwnedBlock owned = block(tick, block_samples, 5);
    signal::SampleBlock view;
    view.sample_id = owned.sample_id;
    view.axis = owned.axis;
    view.utc = owned.utc;
    view.i = owned.i;
    view.v = owned.v;
    ring.on_samples(device_id, view);
  }
  template <class Condition>
  void wait_for(const Condition& condition) {
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition(writer->status())) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      committed.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
};

inline std::vector<spool::StoredFrame> all_frames(const std::string& directory) {
  auto reader = spool::open_spool_reader(directory);
  REQUIRE_MESSAGE(reader.ok(), (reader ? "" : reader.error().message));
  std::vector<spool::StoredFrame> all;
  const auto usage = (*reader)->usage();
  REQUIRE(usage.ok());
  for (const auto& lane : usage->lanes) {
    auto frames = (*reader)->read(lane.sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE(frames.ok());
    for (auto& frame : *frames) all.push_back(std::move(frame));
  }
  return all;
}

}  // namespace joulespool::test
