#include "cloud-bridge/ingest/check_message.h"

#include <doctest/doctest.h>

#include <functional>
#include <random>

using namespace joulespool;
using ingest::check_message;
using ingest::CheckedFrame;
using ingest::PartSet;
using ingest::Reject;

namespace {

wire::FrameHeader header(const std::string& host = "lab-1", uint64_t seq = 9) {
  wire::FrameHeader made;
  made.host = host;
  made.device = {"js220-001122", "js220", "001122"};
  made.lane = wire::Lane::stat;
  made.epoch = 77;
  made.seq = seq;
  made.codec = 1;
  made.axis = {5, 2'000'000, 2};
  made.sample_id_end = 2000;
  made.samples = made.valid = 1000;
  return made;
}

struct Sent {
  std::string topic = wire::data_topic("lab-1", wire::Lane::stat);
  wire::Bytes payload = wire::write_frame(header(), wire::Bytes(50));
  std::optional<std::string> prev = "8";
  PartSet parts = PartSet().set();
};

std::string reason(const Sent& sent) {
  const std::optional<std::string_view> prev = sent.prev ? std::optional<std::string_view>(*sent.prev) : std::nullopt;
  const auto result = check_message(sent.topic, sent.payload, prev, sent.parts);
  if (const auto* reject = std::get_if<Reject>(&result)) return std::string(reject->reason);
  return "none";
}

struct Case {
  const char* reason;
  std::function<void(Sent&)> spoil;
};

}  // namespace

TEST_CASE("ingest: a sound message gives its header and prev") {
  const Sent sent;
  const auto result = check_message(sent.topic, sent.payload, *sent.prev, sent.parts);
  REQUIRE(std::holds_alternative<CheckedFrame>(result));
  CHECK(std::get<CheckedFrame>(result).header == header());
  CHECK(std::get<CheckedFrame>(result).prev == 8);
}

TEST_CASE("ingest: each defect has its reason") {
  const Case cases[] = {
      {"none", [](Sent&) {}},
      {"none", [](Sent& sent) { sent.prev = "0"; }},
      {"topic", [](Sent& sent) { sent.topic = "joulespool/v1/host/lab-1/state"; }},
      {"topic", [](Sent& sent) { sent.topic = ""; }},
      {"topic", [](Sent& sent) { sent.topic += "x"; }},
      {"part_not_served", [](Sent& sent) { sent.parts.reset(wire::part_of("lab-1")); }},
      {"too_short", [](Sent& sent) { sent.payload.clear(); }},
      {"foreign", [](Sent& sent) { sent.payload[0] = std::byte{'X'}; }},
      {"unknown_version", [](Sent& sent) { sent.payload[3] = std::byte{'2'}; }},
      {"too_large", [](Sent& sent) { sent.payload[11] = std::byte{0x7f}; }},
      {"truncated", [](Sent& sent) { sent.payload.pop_back(); }},
      {"trailing_bytes", [](Sent& sent) { sent.payload.push_back(std::byte{0}); }},
      {"checksum", [](Sent& sent) { sent.payload.back() ^= std::byte{1}; }},
      {"header_invalid", [](Sent& sent) { sent.payload = wire::write_frame(header("lab-1", 0), {}); }},
      {"topic_contradicts_header", [](Sent& sent) { sent.topic = wire::data_topic("lab-2", wire::Lane::stat); }},
      {"topic_contradicts_header", [](Sent& sent) { sent.topic = wire::data_topic("lab-1", wire::Lane::wave); }},
      {"topic_contradicts_header",
       [](Sent& sent) {
         sent.topic = "joulespool/v1/data/" + std::string(wire::part_of("lab-1") == 0 ? "01" : "00") + "/lab-1/stat";
       }},
      {"bad_prev", [](Sent& sent) { sent.prev.reset(); }},
      {"bad_prev", [](Sent& sent) { sent.prev = ""; }},
      {"bad_prev", [](Sent& sent) { sent.prev = "8 "; }},
      {"bad_prev", [](Sent& sent) { sent.prev = "-1"; }},
      {"bad_prev", [](Sent& sent) { sent.prev = "99999999999999999999999"; }},
      {"bad_prev", [](Sent& sent) { sent.prev = "9"; }},
  };
  for (const Case& one : cases) {
    Sent sent;
    one.spoil(sent);
    CAPTURE(&one - cases);
    CHECK(reason(sent) == one.reason);
  }
}

TEST_CASE("ingest: the detail of a reject repeats only a bounded piece of a hostile topic") {
  const auto result = check_message(std::string(60'000, 'x'), {}, std::nullopt, PartSet().set());
  REQUIRE(std::holds_alternative<Reject>(result));
  CHECK(std::get<Reject>(result).detail.size() < 200);
}

TEST_CASE("ingest: random damage is always rejected, never a crash") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    Sent sent;
    const size_t hits = 1 + random() % 4;
    for (size_t hit = 0; hit < hits; ++hit) {
      const size_t at = random() % sent.payload.size();
      sent.payload[at] ^= static_cast<std::byte>(1 + random() % 255);
      if (random() % 3 == 0) sent.payload.resize(1 + random() % sent.payload.size());
    }
    if (sent.payload == Sent().payload) continue;
    CHECK(reason(sent) != "none");
  }
}
