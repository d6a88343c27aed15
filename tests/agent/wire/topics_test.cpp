#include "agent/wire/topics.h"

#include <doctest/doctest.h>

#include <set>

using namespace joulespool::wire;

TEST_CASE("topics: parts are FNV-1a of the host modulo 64") {
  // 32-bit FNV-1a: "" 811c9dc5, "a" e40c292c, "b" e70c2de5, "foobar" bf9cf968 (vectors of the FNV reference).
  CHECK(part_of("") == (0x811c9dc5U & 63));
  CHECK(part_of("a") == (0xe40c292cU & 63));
  CHECK(part_of("b") == (0xe70c2de5U & 63));
  CHECK(part_of("foobar") == (0xbf9cf968U & 63));
}

TEST_CASE("topics: hosts spread over all parts") {
  std::set<unsigned> parts;
  for (int host = 0; host < 2000; ++host) parts.insert(part_of("host-" + std::to_string(host)));
  CHECK(parts.size() == part_count);
}

TEST_CASE("topics: names are those of the table") {
  CHECK(data_topic("foobar", Lane::stat) == "joulespool/v1/data/28/foobar/stat");
  CHECK(data_topic("a", Lane::event) == "joulespool/v1/data/2c/a/event");
  CHECK(data_topic_filter(0) == "joulespool/v1/data/00/+/+");
  CHECK(data_topic_filter(63) == "joulespool/v1/data/3f/+/+");
  CHECK(ack_topic("lab-7") == "joulespool/v1/host/lab-7/ack");
  CHECK(state_topic("lab-7") == "joulespool/v1/host/lab-7/state");
  CHECK(event_topic("lab-7") == "joulespool/v1/host/lab-7/event");
  CHECK(bridge_state_topic("b1") == "joulespool/v1/bridge/b1/state");
}

TEST_CASE("topics: a data topic is read back") {
  for (const Lane lane : lanes) {
    const std::string topic = data_topic("lab-7", lane);
    const auto parsed = parse_data_topic(topic);
    REQUIRE(parsed);
    CHECK(parsed->part == part_of("lab-7"));
    CHECK(parsed->host == "lab-7");
    CHECK(parsed->lane == lane);
  }
}

TEST_CASE("topics: what is no data topic is refused") {
  for (const char* topic :
       {"", "joulespool/v1/data/", "joulespool/v1/data/28/foobar", "joulespool/v1/data/28/foobar/",
        "joulespool/v1/data/28/foobar/x", "joulespool/v1/data/28/foo/bar/stat", "joulespool/v1/data/40/foobar/stat",
        "joulespool/v1/data/8/foobar/stat", "joulespool/v1/data/2C/a/stat", "joulespool/v1/data/28//stat",
        "joulespool/v1/data/28/Foobar/stat", "joulespool/v2/data/28/foobar/stat", "/joulespool/v1/data/28/foobar/stat",
        "joulespool/v1/data/28/foobar/stat/x"})
    CHECK_MESSAGE(!parse_data_topic(topic), topic);
}

TEST_CASE("topics: the id of a bridge is read from its state's topic") {
  CHECK(parse_bridge_state_topic("joulespool/v1/bridge/b-1/state") == "b-1");
  for (const char* topic : {"", "joulespool/v1/bridge//state", "joulespool/v1/bridge/state", "joulespool/v1/bridge/a/b/state",
                            "joulespool/v1/bridge/B/state", "joulespool/v1/bridge/b/states", "joulespool/v1/host/b/state"})
    CHECK_MESSAGE(!parse_bridge_state_topic(topic), topic);
}

TEST_CASE("topics: lanes have names") {
  for (const Lane lane : lanes) CHECK(parse_lane(to_string(lane)) == lane);
  CHECK(!parse_lane("Stat"));
  CHECK(!parse_lane(""));
}
