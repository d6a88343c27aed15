#include "agent/wire/event.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "agent/wire/ack.h"

using namespace joulespool;
using namespace joulespool::wire;

namespace {

Bytes bytes_of(std::string_view text) {
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::vector<Event> all_kinds() {
  Gap gap{GapReason::evicted, 7, 100, 200, false, 50, 1111, -2222, Lane::wave, SeqRange{3, 5}, "the budget is used up"};
  gap.epoch = 0x8000000000000001;
  gap.replaced = {{7, {1, 9}}, {gap.epoch, {2, 2}}};
  Gap open{GapReason::restart, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX, true, 0, 0, 0, std::nullopt, std::nullopt, ""};
  Started started{"0.1.0",     "b00t", 9, 1000, {{Lane::event, 1, true}, {Lane::stat, 77, true}, {Lane::wave, 5, false}},
                  "simulated", 2000};
  Stopped stopped{"request", 5000, {10, 9, -(static_cast<int128>(1) << 100), static_cast<int128>(1) << 101, 1}};
  ClockCorrected corrected{{1, -5, 2e6, UtcQuality::unsynchronised}, {2, 6, 1999999.25, UtcQuality::instrument}};
  DeviceNote note{"lost", "gone", 42};
  return {gap, open, started, stopped, corrected, note};
}

std::vector<AckEntry> some_acks() {
  AckEntry full;
  full.sequence = {"js220-001122", 0xFFFFFFFFFFFFFFFF, Lane::stat};
  full.stored = {{1, 5}, {7, 7}, {9, UINT64_MAX}};
  full.rejected = {{6, "too_large"}};
  AckEntry empty;
  empty.sequence = {"js110-000001", 1, Lane::wave};
  return {full, empty};
}

}  // namespace

TEST_CASE("event: every kind with every field comes back as it was") {
  const auto events = read_events(write_events(all_kinds()));
  REQUIRE(events.ok());
  CHECK(*events == all_kinds());
  CHECK(read_events({})->empty());
}

TEST_CASE("event: each reason has a name and comes back") {
  for (int reason = 1; reason <= 8; ++reason) {
    Gap gap;
    gap.reason = static_cast<GapReason>(reason);
    CHECK(to_string(gap.reason) != "?");
    const auto events = read_events(write_events({gap}));
    REQUIRE(events.ok());
    CHECK(std::get<Gap>(events->front()).reason == gap.reason);
  }
}

TEST_CASE("event: a kind or reason of a later version is one event that is not known") {
  // events { field 99: "x" }, events { gap { reason: 200 } }, events { device_note {} }
  const auto events =
      read_events(bytes_of(std::string_view("\x0a\x04\x9a\x06\x01x\x0a\x05\x0a\x03\x08\xc8\x01\x0a\x02\x2a\x00", 17)));
  REQUIRE(events.ok());
  REQUIRE(events->size() == 3);
  CHECK(std::holds_alternative<std::monostate>((*events)[0]));
  CHECK(std::holds_alternative<std::monostate>((*events)[1]));
  CHECK(std::holds_alternative<DeviceNote>((*events)[2]));
}

TEST_CASE("event: damaged bytes are refused or read as something, never a crash") {
  const Bytes whole = write_events(all_kinds());
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto events = read_events(ByteView(whole).first(size));
    if (!events) CHECK(events.error().code == Errc::damaged);
  }
  std::mt19937 random(8);
  for (int round = 0; round < 5000; ++round) {
    Bytes bytes = whole;
    for (int change = 0; change < 4; ++change) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    const auto events = read_events(bytes);
    if (!events) CHECK(events.error().code == Errc::damaged);
  }
}

TEST_CASE("ack: entries come back as they were") {
  const auto entries = read_ack(write_ack(some_acks()));
  REQUIRE(entries.ok());
  CHECK(*entries == some_acks());
  CHECK(read_ack({})->empty());
}

TEST_CASE("ack: ranges and lanes that cannot be are refused") {
  const auto refused = [](const AckEntry& entry) {
    const auto entries = read_ack(write_ack({entry}));
    return !entries.ok() && entries.error().code == Errc::damaged;
  };
  const FrameSequence sequence{"js220-001122", 1, Lane::stat};
  CHECK(refused({sequence, {{0, 5}}, {}}));
  CHECK(refused({sequence, {{6, 5}}, {}}));
  CHECK(refused({sequence, {}, {{0, "x"}}}));
  CHECK(refused({{"js220-001122", 1, static_cast<Lane>(0)}, {}, {}}));
  CHECK(refused({{"js220-001122", 1, static_cast<Lane>(9)}, {}, {}}));
}

TEST_CASE("ack: what is larger than the limit is refused unread") {
  CHECK(!read_ack(Bytes(ack_bytes_max + 1)).ok());
  std::vector<AckEntry> many(1, some_acks().front());
  while (write_ack(many).size() <= ack_bytes_max - 4096) many.insert(many.end(), 50, some_acks().front());
  CHECK(read_ack(write_ack(many)).ok());
}

TEST_CASE("ack: damaged bytes are refused or read as entries that are valid, never a crash") {
  const Bytes whole = write_ack(some_acks());
  std::mt19937 random(9);
  for (int round = 0; round < 5000; ++round) {
    Bytes bytes = whole;
    for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    if (round % 2 == 0) bytes.resize(random() % bytes.size());
    const auto entries = read_ack(bytes);
    if (!entries) continue;
    for (const AckEntry& entry : *entries)
      for (const SeqRange& range : entry.stored) CHECK((range.first > 0 && range.last >= range.first));
  }
}
