#include "cloud-bridge/reader/frame_collector.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "cloud-bridge/reader/stream_scan.h"
#include "tests/support/fake_kinesis.h"
#include "tests/support/frame_factory.h"

namespace joulespool::reader {
namespace {

using test::as_record;
using test::FrameFactory;
using wire::Lane;

struct Seen {
  std::vector<uint64_t> seqs;
  std::vector<bool> late;
};

// Collects what comes of one device's wave lane.
struct Collected {
  explicit Collected(CollectorLimits limits = {})
      : collector([this](const CollectedFrame& frame) { seen.seqs.push_back(frame.header.seq), seen.late.push_back(frame.late); },
                  limits) {}
  void add(const wire::Bytes& frame) { collector.add(as_record(frame)); }
  Seen seen;
  FrameCollector collector;
};

std::vector<wire::Bytes> waves(size_t count, const std::string& device = "js220-1", size_t samples = 4) {
  FrameFactory factory(device);
  std::vector<wire::Bytes> frames;
  for (size_t k = 0; k < count; ++k) frames.push_back(factory.flat_wave(k * 2 * samples, samples));
  return frames;
}

std::vector<uint64_t> numbers(uint64_t first, uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t seq = first; seq <= last; ++seq) all.push_back(seq);
  return all;
}

size_t defect(wire::FrameDefect which) { return static_cast<size_t>(which); }

}  // namespace

TEST_CASE("collector: frames come out once and in seq order, with their payload") {
  const auto frames = waves(3);
  std::vector<wire::Bytes> payloads;
  FrameCollector collector(
      [&](const CollectedFrame& frame) { payloads.emplace_back(frame.payload().begin(), frame.payload().end()); });
  for (const size_t at : {0U, 2U, 0U, 1U, 2U}) collector.add(as_record(frames[at]));
  REQUIRE(payloads.size() == 3);
  for (size_t at = 0; at < 3; ++at) {
    const auto frame = std::get<wire::Frame>(wire::read_frame(frames[at]));
    CHECK(std::ranges::equal(payloads[at], frame.payload));
  }
  CHECK(collector.counters().frames == 3);
  CHECK(collector.counters().duplicates == 2);
  CHECK(collector.duplicates("js220-1") == 2);
  CHECK(collector.duplicates("js220-2") == 0);
  CHECK(collector.holes().empty());
}

TEST_CASE("collector: any order within one request of 500 records is put right") {
  auto frames = waves(500);
  for (const unsigned seed : {1U, 2U, 3U}) {
    CAPTURE(seed);
    std::shuffle(frames.begin(), frames.end(), std::mt19937(seed));
    Collected collected;
    for (const wire::Bytes& frame : frames) collected.add(frame);
    CHECK(collected.seen.seqs == numbers(1, 500));
    CHECK(collected.collector.counters().late == 0);
    CHECK(collected.collector.held_frames() == 0);
  }
}

TEST_CASE("collector: lanes, epochs and devices are sequences of their own") {
  std::vector<wire::FrameId> ids;
  FrameCollector collector([&](const CollectedFrame& frame) { ids.push_back(frame.header.id()); });
  FrameFactory one("js220-1", 7);
  FrameFactory reborn("js220-1", 8);
  FrameFactory other("js220-2", 7);
  collector.add(as_record(one.flat_wave(0, 4)));
  collector.add(as_record(one.flat_stat(0, 2000)));
  collector.add(as_record(reborn.flat_wave(0, 4)));
  collector.add(as_record(other.flat_wave(0, 4)));
  CHECK(ids == std::vector<wire::FrameId>{{{"js220-1", 7, Lane::wave}, 1},
                                          {{"js220-1", 7, Lane::stat}, 1},
                                          {{"js220-1", 8, Lane::wave}, 1},
                                          {{"js220-2", 7, Lane::wave}, 1}});
  CHECK(collector.counters().duplicates == 0);
}

TEST_CASE("collector: a frame that is missing holds back the later ones only until it cannot come any more") {
  const auto frames = waves(503);
  Collected collected;
  collected.add(frames[0]);
  for (size_t at = 2; at < 502; ++at) collected.add(frames[at]);  // 500 wait for seq 2
  CHECK(collected.seen.seqs == numbers(1, 1));
  CHECK(collected.collector.held_frames() == 500);
  collected.add(frames[502]);
  CHECK(collected.seen.seqs.size() == 502);
  CHECK(collected.seen.seqs[1] == 3);
  CHECK(collected.collector.held_frames() == 0);
  const auto holes = collected.collector.holes();
  REQUIRE(holes.size() == 1);
  CHECK(holes.begin()->second == std::vector<wire::SeqRange>{{2, 2}});
}

TEST_CASE("collector: a frame that comes after it was given up is handed on as late, once") {
  const auto frames = waves(4);
  Collected collected({.held_frames_max = 1});
  for (const size_t at : {0U, 2U, 3U, 1U, 1U}) collected.add(frames[at]);
  CHECK(collected.seen.seqs == std::vector<uint64_t>{1, 3, 4, 2});
  CHECK(collected.seen.late == std::vector<bool>{false, false, false, true});
  CHECK(collected.collector.counters().late == 1);
  CHECK(collected.collector.counters().duplicates == 1);
  CHECK(collected.collector.holes().empty());
}

TEST_CASE("collector: what waits is limited in bytes, too") {
  const auto frames = waves(20, "js220-1", 5000);
  Collected collected({.held_frames_max = 500, .held_bytes_max = 3 * frames[4].size()});
  for (size_t at = 1; at < 4; ++at) collected.add(frames[at]);
  CHECK(collected.collector.held_frames() == 3);
  collected.add(frames[4]);
  CHECK(collected.seen.seqs == numbers(2, 5));
}

TEST_CASE("collector: with no frame to be held, each is handed on as it comes") {
  const auto frames = waves(3);
  Collected collected({.held_frames_max = 0});
  for (const size_t at : {2U, 0U, 1U, 2U}) collected.add(frames[at]);
  CHECK(collected.seen.seqs == std::vector<uint64_t>{3, 1, 2});
  CHECK(collected.collector.counters().duplicates == 1);
}

TEST_CASE("collector: finish hands on what still waits") {
  const auto frames = waves(5);
  Collected collected;
  collected.add(frames[4]);
  collected.add(frames[2]);
  CHECK(collected.seen.seqs.empty());
  collected.collector.finish();
  CHECK(collected.seen.seqs == std::vector<uint64_t>{3, 5});
  CHECK(collected.collector.holes().begin()->second == std::vector<wire::SeqRange>{{1, 2}, {4, 4}});
}

TEST_CASE("collector: damaged records are counted by reason, and the rest goes on") {
  const auto frames = waves(2);
  Collected collected;
  const auto damaged = [&](auto change) {
    wire::Bytes bytes = frames[0];
    change(bytes);
    collected.add(bytes);
  };
  damaged([](wire::Bytes& bytes) { bytes.resize(5); });
  damaged([](wire::Bytes& bytes) { bytes[0] = std::byte{'X'}; });
  damaged([](wire::Bytes& bytes) { bytes[3] = std::byte{'2'}; });
  damaged([](wire::Bytes& bytes) { bytes.resize(bytes.size() - 1); });
  damaged([](wire::Bytes& bytes) { bytes.push_back(std::byte{0}); });
  damaged([](wire::Bytes& bytes) { bytes.back() ^= std::byte{1}; });
  damaged([](wire::Bytes& bytes) { bytes.clear(); });
  collected.add(frames[0]);
  collected.add(frames[1]);
  const CollectorCounters& counters = collected.collector.counters();
  CHECK(counters.damaged[defect(wire::FrameDefect::too_short)] == 2);
  CHECK(counters.damaged[defect(wire::FrameDefect::foreign)] == 1);
  CHECK(counters.damaged[defect(wire::FrameDefect::unknown_version)] == 1);
  CHECK(counters.damaged[defect(wire::FrameDefect::truncated)] == 1);
  CHECK(counters.damaged[defect(wire::FrameDefect::trailing_bytes)] == 1);
  CHECK(counters.damaged[defect(wire::FrameDefect::checksum)] == 1);
  CHECK(counters.damaged_total() == 7);
  CHECK(counters.records == 9);
  CHECK(collected.seen.seqs == numbers(1, 2));
}

TEST_CASE("collector: a frame under another device's key is dropped and counted") {
  const auto frames = waves(1);
  Collected collected;
  sink::StoredRecord record = as_record(frames[0]);
  record.partition_key = "js220-2";
  collected.collector.add(std::move(record));
  CHECK(collected.collector.counters().wrong_key == 1);
  CHECK(collected.seen.seqs.empty());
}

TEST_CASE("scan: every record of every shard comes, parents before children, however small the reads are") {
  ManualClock clock;
  sink::FakeKinesis kinesis(clock);
  kinesis.create_stream("s", 2);
  kinesis.set_read_limit(3);
  const auto sink = kinesis.make_sink("s");
  const auto put = [&](const wire::Bytes& frame, const std::string& key) {
    const sink::Record record{key, frame};
    REQUIRE(sink->put({&record, 1}).ok());
  };
  const auto frames = waves(20);
  for (size_t at = 0; at < 10; ++at) put(frames[at], "js220-1");
  for (const auto& frame : waves(4, "js220-2")) put(frame, "js220-2");
  clock.advance(ns_per_s);
  kinesis.split_shard("s", "shardId-000000000000");
  kinesis.split_shard("s", "shardId-000000000001");
  for (size_t at = 10; at < 20; ++at) put(frames[at], "js220-1");
  std::vector<wire::Bytes> seen;
  size_t others = 0;
  const auto source = kinesis.make_source("s");
  REQUIRE(scan_stream(*source, clock, {}, [&](sink::StoredRecord&& record) {
            if (record.partition_key == "js220-1") seen.push_back(std::move(record.data));
            else ++others;
          }).ok());
  CHECK(seen == frames);
  CHECK(others == 4);
}

}  // namespace joulespool::reader
