#include "cloud-bridge/app/ack_outbox.h"

#include <doctest/doctest.h>

using namespace joulespool;
using bridge::AckOutbox;

namespace {

route::SourceSequence source(const std::string& host, const std::string& device = "js220-1") {
  return {host, {device, 7, wire::Lane::stat}};
}

}  // namespace

TEST_CASE("acks: numbers of a sequence merge into ranges, in one message per host") {
  AckOutbox acks;
  for (const uint64_t seq : {3U, 1U, 2U, 7U, 6U, 2U}) acks.add_stored(source("a"), seq);
  acks.add_stored(source("a", "js110-2"), 9);
  acks.add_rejected(source("a"), 5, "too_large");
  const auto ack = acks.take();
  REQUIRE(ack);
  CHECK(ack->host == "a");
  REQUIRE(ack->entries.size() == 2);
  CHECK(ack->entries[0].sequence == source("a", "js110-2").sequence);
  CHECK(ack->entries[0].stored == std::vector<wire::SeqRange>{{9, 9}});
  CHECK(ack->entries[1].sequence == source("a").sequence);
  CHECK(ack->entries[1].stored == std::vector<wire::SeqRange>{{1, 3}, {6, 7}});
  CHECK(ack->entries[1].rejected.size() == 1);
  CHECK(acks.empty());
  CHECK_FALSE(acks.take());
}

TEST_CASE("acks: hosts take turns, also one that has more than fits a message") {
  AckOutbox acks;
  for (uint64_t seq = 1; seq <= 2 * bridge::ack_ranges_max + 1; ++seq) acks.add_stored(source("a"), 2 * seq);
  acks.add_stored(source("b"), 1);
  std::string hosts;
  size_t ranges = 0;
  uint64_t last = 0;
  while (const auto ack = acks.take()) {
    hosts += ack->host;
    if (ack->host == "b") continue;
    for (const auto& range : ack->entries.at(0).stored) {
      CHECK(range.first > last);
      last = range.last;
      ++ranges;
    }
    CHECK(wire::write_ack(ack->entries).size() < 128 * 1024);
  }
  CHECK(hosts == "abaa");
  CHECK(ranges == 2 * bridge::ack_ranges_max + 1);
}

TEST_CASE("acks: a host with many devices gets several messages of bounded size") {
  AckOutbox acks;
  const std::string longest(55, 'd');
  for (int device = 0; device < 1000; ++device) acks.add_stored(source("a", longest + std::to_string(device)), UINT64_MAX - 1);
  size_t entries = 0;
  while (const auto ack = acks.take()) {
    entries += ack->entries.size();
    CHECK(wire::write_ack(ack->entries).size() < 128 * 1024);
  }
  CHECK(entries == 1000);
}

TEST_CASE("acks: beyond the limit notes are dropped and counted, and there is room again after a take") {
  AckOutbox acks(10);
  for (uint64_t seq = 1; seq <= 15; ++seq) acks.add_stored(source("a"), seq);
  CHECK(acks.dropped() == 5);
  CHECK(acks.take()->entries.at(0).stored == std::vector<wire::SeqRange>{{1, 10}});
  acks.add_stored(source("a"), 11);
  CHECK(acks.dropped() == 5);
  CHECK(acks.take());
}
