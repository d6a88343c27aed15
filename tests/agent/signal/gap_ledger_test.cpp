#include "agent/signal/gap_ledger.h"

#include <doctest/doctest.h>

namespace {

using joulespool::signal::GapLedger;
using joulespool::signal::Hole;
using joulespool::signal::SampleBlock;
using joulespool::wire::GapReason;
using joulespool::wire::TimeAxis;
using joulespool::wire::UtcMap;
using joulespool::wire::UtcQuality;

constexpr TimeAxis axis{7, 2'000'000, 2};
constexpr UtcMap utc{0, 1'000'000'000, 2e6, UtcQuality::host};
const std::vector<float> zeros(100000);

SampleBlock block(uint64_t sample_id, size_t count, TimeAxis on = axis) {
  SampleBlock block;
  block.sample_id = sample_id;
  block.axis = on;
  block.utc = utc;
  block.i = block.v = std::span(zeros).first(count);
  return block;
}

}  // namespace

TEST_CASE("gap ledger: consecutive blocks have no gap, a jump is one with its exact count and time") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(1000, 50)).empty());
  CHECK(ledger.on_block(block(1100, 50)).empty());
  const auto gaps = ledger.on_block(block(1452, 10));
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].reason == GapReason::usb_drop);
  CHECK(gaps[0].sample_id_first == 1200);
  CHECK(gaps[0].sample_id_end == 1452);
  CHECK(gaps[0].samples_lost == 126);
  CHECK(gaps[0].utc_end_ns - gaps[0].utc_first_ns == 126'000);
  CHECK(ledger.sample_id_end() == 1472);
}

TEST_CASE("gap ledger: what was lost for want of room is told apart from what the instrument lost") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 100)).empty());
  ledger.on_hole({7, 300, 400, GapReason::overrun, {}});
  ledger.on_hole({7, 400, 500, GapReason::overrun, {}});
  const auto gaps = ledger.on_block(block(600, 10));
  REQUIRE(gaps.size() == 3);
  CHECK(gaps[0].reason == GapReason::usb_drop);
  CHECK(gaps[1].reason == GapReason::overrun);
  CHECK(gaps[1].sample_id_first == 300);
  CHECK(gaps[1].samples_lost == 100);
  CHECK(gaps[2].reason == GapReason::usb_drop);
  CHECK(gaps[0].samples_lost + gaps[1].samples_lost + gaps[2].samples_lost == 200);
}

TEST_CASE("gap ledger: an overrun that no block follows is a gap at the end") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 100)).empty());
  ledger.on_hole({7, 200, 260, GapReason::overrun, {}});
  const auto gaps = ledger.on_end();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].samples_lost == 30);
  CHECK(ledger.sample_id_end() == 260);
  CHECK(ledger.on_end().empty());
}

TEST_CASE("gap ledger: after a restart the hole is the restart's; nothing is missing if the source went back") {
  GapLedger ledger(axis, 5000, utc);
  const auto gaps = ledger.on_block(block(9000, 10));
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].reason == GapReason::restart);
  CHECK(gaps[0].samples_lost == 2000);
  GapLedger resumed(axis, 5000, utc);
  CHECK(resumed.on_block(block(5000, 10)).empty());
}

TEST_CASE("gap ledger: a lost device names the hole, once") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 10)).empty());
  ledger.on_device_lost();
  CHECK(ledger.on_block(block(40, 10)).at(0).reason == GapReason::device_lost);
  CHECK(ledger.on_block(block(80, 10)).at(0).reason == GapReason::usb_drop);
}

TEST_CASE("gap ledger: a counter that starts anew is an open-ended gap, not a negative one") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(100000, 10)).empty());
  TimeAxis reborn = axis;
  reborn.life = 8;
  const auto gaps = ledger.on_block(block(0, 10, reborn));
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].open_ended);
  CHECK(gaps[0].axis == 7);
  CHECK(gaps[0].sample_id_first == 100020);
  CHECK(gaps[0].samples_lost == 0);
  CHECK(ledger.on_block(block(20, 10, reborn)).empty());
}

TEST_CASE("gap ledger: repeated samples are counted so that they can be left out") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 100)).empty());
  CHECK(ledger.repeated(block(150, 100)) == 25);
  CHECK(ledger.repeated(block(0, 10)) == 10);
  CHECK(ledger.repeated(block(200, 10)) == 0);
}

namespace {

struct Expected {
  GapReason reason;
  uint64_t first, end;
};

struct HoleCase {
  const char* name;
  std::vector<Hole> told;
  uint64_t next_block;  // after [0, 200)
  std::vector<Expected> gaps;
};

}  // namespace

TEST_CASE("gap ledger: a hole that was told has its reason and detail, the rest of what is missing has not") {
  const std::vector<HoleCase> cases = {
      {"the whole hole", {{7, 200, 452, GapReason::usb_drop, "2 packets"}}, 452, {{GapReason::usb_drop, 200, 452}}},
      {"two in one jump, with a rest",
       {{7, 200, 300, GapReason::usb_drop, "a"}, {7, 400, 500, GapReason::device_lost, "b"}},
       600,
       {{GapReason::usb_drop, 200, 300},
        {GapReason::usb_drop, 300, 400},
        {GapReason::device_lost, 400, 500},
        {GapReason::usb_drop, 500, 600}}},
      {"told in the wrong order",
       {{7, 400, 600, GapReason::device_lost, "b"}, {7, 200, 400, GapReason::overrun, ""}},
       600,
       {{GapReason::overrun, 200, 400}, {GapReason::device_lost, 400, 600}}},
      {"told twice, overlapping",
       {{7, 200, 400, GapReason::overrun, ""}, {7, 300, 600, GapReason::device_lost, ""}},
       600,
       {{GapReason::overrun, 200, 400}, {GapReason::device_lost, 400, 600}}},
      {"nothing is missing", {{7, 200, 452, GapReason::overrun, "x"}}, 200, {}},
      {"what was had before", {{7, 0, 100, GapReason::overrun, "x"}}, 200, {}},
      {"wider than what is missing", {{7, 100, 900, GapReason::overrun, "x"}}, 300, {{GapReason::overrun, 200, 300}}},
      {"of another life", {{8, 200, 300, GapReason::overrun, "x"}}, 300, {{GapReason::usb_drop, 200, 300}}},
      {"empty or turned around",
       {{7, 250, 250, GapReason::overrun, "x"}, {7, 300, 200, GapReason::overrun, "x"}},
       300,
       {{GapReason::usb_drop, 200, 300}}},
      {"between two samples: counts still add up",
       {{7, 201, 301, GapReason::overrun, "x"}},
       400,
       {{GapReason::usb_drop, 200, 202}, {GapReason::overrun, 202, 302}, {GapReason::usb_drop, 302, 400}}},
  };
  for (const HoleCase& one : cases) {
    CAPTURE(one.name);
    GapLedger ledger;
    CHECK(ledger.on_block(block(0, 100)).empty());
    for (const Hole& hole : one.told) ledger.on_hole(hole);
    const auto gaps = ledger.on_block(block(one.next_block, 500));
    REQUIRE(gaps.size() == one.gaps.size());
    uint64_t lost = 0;
    for (size_t at = 0; at < gaps.size(); ++at) {
      CHECK(gaps[at].reason == one.gaps[at].reason);
      CHECK(gaps[at].sample_id_first == one.gaps[at].first);
      CHECK(gaps[at].sample_id_end == one.gaps[at].end);
      CHECK(gaps[at].axis == 7);
      lost += gaps[at].samples_lost;
    }
    CHECK(lost == (one.next_block - 200) / 2);
  }
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 100)).empty());
  ledger.on_hole({7, 200, 452, GapReason::usb_drop, "2 packets"});
  CHECK(ledger.on_block(block(452, 10)).at(0).detail == "2 packets");
}

TEST_CASE("gap ledger: a hole told early waits for the block that jumps over it") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 100)).empty());
  ledger.on_hole({7, 400, 500, GapReason::device_lost, "x"});
  CHECK(ledger.on_block(block(200, 100)).empty());
  const auto gaps = ledger.on_block(block(500, 100));
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].reason == GapReason::device_lost);
  CHECK(gaps[0].detail == "x");
  CHECK(ledger.on_block(block(700, 100)).empty());
}

TEST_CASE("gap ledger: what was lost of a new life before its first block is counted from the first hole on") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(100000, 10)).empty());
  TimeAxis reborn = axis;
  reborn.life = 8;
  ledger.on_hole({8, 40, 100, GapReason::overrun, {}});
  ledger.on_hole({7, 100020, 100100, GapReason::overrun, {}});
  const auto gaps = ledger.on_block(block(120, 10, reborn));
  REQUIRE(gaps.size() == 3);
  CHECK(gaps[0].open_ended);
  CHECK(gaps[0].axis == 7);
  CHECK(gaps[1].axis == 8);
  CHECK(gaps[1].reason == GapReason::overrun);
  CHECK(gaps[1].sample_id_first == 40);
  CHECK(gaps[1].samples_lost == 30);
  CHECK(gaps[1].utc_first_ns == utc.utc_ns_at(40));
  CHECK(gaps[2].reason == GapReason::usb_drop);
  CHECK(gaps[2].samples_lost == 10);
}

TEST_CASE("gap ledger: holes told without end are bounded, and nothing is miscounted") {
  GapLedger ledger;
  CHECK(ledger.on_block(block(0, 100)).empty());
  const uint64_t holes = 3 * GapLedger::holes_max;
  for (uint64_t at = 0; at < holes; ++at) ledger.on_hole({7, 200 + at * 4, 202 + at * 4, GapReason::overrun, {}});
  uint64_t lost = 0, overrun = 0;
  for (const auto& gap : ledger.on_block(block(200 + holes * 4, 10))) {
    lost += gap.samples_lost;
    if (gap.reason == GapReason::overrun) overrun += gap.samples_lost;
  }
  CHECK(lost == holes * 2);
  CHECK(overrun == GapLedger::holes_max);
}
