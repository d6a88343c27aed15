#include "agent/wire/replaced_frames.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/wire/event_json.h"

using namespace joulespool;
using namespace joulespool::wire;

namespace {

FrameHeader stat_header(uint64_t epoch, uint64_t seq) {
  FrameHeader header;
  header.device.id = "js220-1";
  header.lane = Lane::stat;
  header.epoch = epoch;
  header.seq = seq;
  return header;
}

}  // namespace

TEST_CASE("replaced frames: those that a frame of the same device and lane names, of any epoch") {
  ReplacedFrameSet replaced;
  FrameHeader merged = stat_header(2, 10);
  merged.replaces = {{2, {3, 5}}, {1, {7, 7}}};
  replaced.add(merged);
  for (uint64_t seq = 1; seq <= 11; ++seq) {
    CHECK(replaced.contains(stat_header(2, seq)) == (seq >= 3 && seq <= 5));
    CHECK(replaced.contains(stat_header(1, seq)) == (seq == 7));
  }
  CHECK(replaced.of({"js220-1", 2, Lane::stat}).intervals() == std::vector<IntervalSet::Interval>{{3, 6}});
  CHECK(replaced.of({"js220-1", 3, Lane::stat}).empty());
  FrameHeader other = stat_header(2, 3);
  other.device.id = "js220-2";
  CHECK_FALSE(replaced.contains(other));
  other = stat_header(2, 3);
  other.lane = Lane::wave;
  CHECK_FALSE(replaced.contains(other));
}

TEST_CASE("replaced frames: a frame that replaces a merged one leaves what that one replaced as it was") {
  ReplacedFrameSet replaced;
  FrameHeader merged = stat_header(1, 4);
  merged.replaces = {{1, {1, 3}}};
  FrameHeader again = stat_header(1, 6);
  again.replaces = {{1, {1, 5}}};
  for (const FrameHeader& header : {again, merged}) replaced.add(header);
  CHECK(replaced.of({"js220-1", 1, Lane::stat}).intervals() == std::vector<IntervalSet::Interval>{{1, 6}});
  CHECK_FALSE(replaced.contains(again));
}

TEST_CASE("replaced frames: lanes other than stat have none") {
  ReplacedFrameSet replaced;
  FrameHeader wave = stat_header(1, 4);
  wave.lane = Lane::wave;
  wave.replaces = {{1, {1, 3}}};
  replaced.add(wave);
  CHECK(replaced.of({"js220-1", 1, Lane::wave}).empty());
}

TEST_CASE("event JSON: a gap says of which epoch its frames are, and for which the lost ones stood") {
  Gap gap;
  gap.lane = Lane::stat;
  gap.frames = SeqRange{4, 9};
  CHECK_FALSE(event_json(gap).contains("epoch"));
  CHECK_FALSE(event_json(gap).contains("replaced"));
  gap.epoch = 0xE0;
  gap.replaced = {{0xD0, {1, 3}}, {0xE0, {2, 2}}};
  const auto json = event_json(gap);
  CHECK(json.at("frames") == "4..9");
  CHECK(json.at("epoch") == "00000000000000e0");
  CHECK(json.at("replaced").size() == 2);
  CHECK(json.at("replaced").at(0).at("epoch") == "00000000000000d0");
  CHECK(json.at("replaced").at(0).at("frames") == "1..3");
}
