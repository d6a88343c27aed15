// A spool of wire frames as an agent fills it, and what of it is true: for tests of damage that only the frames themselves
// survive.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_spool.h"
#include "agent/wire/event.h"
#include "agent/wire/frame.h"
#include "tests/support/file_bytes.h"
#include "tests/support/spool_frames.h"

namespace joulespool::test {

class WireSpool {
 public:
  static constexpr const char* device = "js220-001122";
  static constexpr const char* boot = "boot-of-the-test";
  static constexpr uint64_t budget_bytes = 8ULL << 20;  // segments of 256 KiB
  static constexpr uint64_t axis = 0xA1, ticks = 2000, gap_ticks = 200;

  struct Truth {
    wire::FrameHeader header;
    wire::Bytes bytes;
  };

  // Commits of a stat and a wave frame; with every fifth one a gap of all lanes at its end, and the event frame that says so.
  WireSpool(const std::string& directory, size_t commits, size_t wave_bytes = 20'000) {
    auto writer = open(directory);
    epoch = writer->epoch();
    for (uint64_t n = 0; n < commits; ++n) {
      spool::Commit commit;
      const bool gap = n % 5 == 4;
      const uint64_t first = n * ticks, end = first + ticks - (gap ? gap_ticks : 0);
      commit.frames.push_back(frame(wire::Lane::stat, first, end, frame_bytes({{device, epoch, wire::Lane::stat}, n}, 900)));
      commit.frames.push_back(
          frame(wire::Lane::wave, first, end, frame_bytes({{device, epoch, wire::Lane::wave}, n}, wave_bytes)));
      if (gap) {
        wire::Gap lost;
        lost.axis = axis;
        lost.sample_id_first = end;
        lost.sample_id_end = end + gap_ticks;
        lost.samples_lost = gap_ticks / 2;
        totals.samples_lost += lost.samples_lost;
        commit.frames.push_back(frame(wire::Lane::event, end + gap_ticks, end + gap_ticks, wire::write_events({lost})));
      }
      commit.positions = {{{device, "js220", "001122"}, {axis, 2'000'000, 2}, first + ticks, utc(), totals}};
      REQUIRE(writer->commit(commit).ok());
    }
    sample_id_end = commits * ticks;
  }

  static std::unique_ptr<spool::SpoolWriter> open(const std::string& directory) {
    spool::SpoolOptions options;
    options.directory = directory;
    options.host = test_host;
    options.budget_bytes = budget_bytes;
    options.boot = boot;
    auto writer = spool::open_spool_writer(options);
    REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
    return std::move(*writer);
  }

  [[nodiscard]] wire::FrameSequence sequence(wire::Lane lane) const { return {device, epoch, lane}; }

  std::map<wire::FrameId, Truth> frames;
  wire::Totals totals;
  uint64_t epoch = 0, sample_id_end = 0;

 private:
  static wire::UtcMap utc() { return {0, 1'767'225'600'000'000'000, 2e6, wire::UtcQuality::host}; }

  spool::NewFrame frame(wire::Lane lane, uint64_t first, uint64_t end, const wire::Bytes& payload) {
    wire::FrameHeader header;
    header.host = test_host;
    header.device = {device, "js220", "001122"};
    header.lane = lane;
    header.epoch = epoch;
    header.seq = ++seqs_[lane];
    header.codec = 1;
    header.axis = {axis, 2'000'000, 2};
    header.utc = utc();
    header.sample_id_first = first;
    header.sample_id_end = end;
    header.samples = header.valid = (end - first) / 2;
    header.i_sum = lane == wire::Lane::event ? 0 : static_cast<int128>(header.seq) * 1'000'003;
    header.p_sum = lane == wire::Lane::event ? 0 : -(static_cast<int128>(header.seq) << 65) - 7;
    if (lane == wire::Lane::stat) {
      totals.samples += header.samples;
      totals.valid += header.valid;
      totals.i_sum += header.i_sum;
      totals.p_sum += header.p_sum;
    }
    spool::NewFrame made;
    made.bytes = wire::write_frame(header, payload);
    made.info.id = header.id();
    made.info.axis = axis;
    made.info.sample_id_first = first;
    made.info.sample_id_end = end;
    made.info.utc_first_ns = header.utc.utc_ns_at(first);
    made.info.utc_end_ns = header.utc.utc_ns_at(end);
    made.info.samples = header.samples;
    frames.emplace(header.id(), Truth{header, made.bytes});
    return made;
  }

  std::map<wire::Lane, uint64_t> seqs_;
};

}  // namespace joulespool::test
