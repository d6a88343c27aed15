#include "agent/signal/gap_ledger.h"

#include <doctest/doctest.h>

namespace {

using joulespool::signal::GapLedger;
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
  ledger.on_overrun(300, 400);
  ledger.on_overrun(400, 500);
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
  ledger.on_overrun(200, 260);
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
