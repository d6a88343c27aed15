#include "agent/wire/bridge_state.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace joulespool;
using namespace joulespool::wire;

namespace {

BridgeState some_state() {
  BridgeState state;
  state.online = true;
  state.accepting = false;
  state.instance = "i-1";
  state.version = "0.1.0";
  state.reason = "Kinesis: \"connection\" refused";
  state.parts = {{0, 31}, {40, 40}};
  state.held_bytes = 123456789012;
  state.lag_ms = 250;
  state.frames_stored = UINT64_MAX;
  state.throttled = 3;
  state.rejected = {{"checksum", 2}, {"foreign", 1}};
  return state;
}

}  // namespace

TEST_CASE("bridge state: JSON comes back as it was") {
  const auto state = read_bridge_state(write_bridge_state(some_state()));
  REQUIRE(state.ok());
  CHECK(*state == some_state());
  CHECK(*read_bridge_state(write_bridge_state({})) == BridgeState{});
}

TEST_CASE("bridge state: the keys are those that others read") {
  const auto json = nlohmann::json::parse(write_bridge_state(some_state()));
  CHECK(json.at("version") == 1);
  CHECK(json.at("online") == true);
  CHECK(json.at("accepting") == false);
  CHECK(json.at("software") == "0.1.0");
  CHECK(json.at("parts") == nlohmann::json::parse("[[0,31],[40,40]]"));
}

TEST_CASE("bridge state: keys that a later version adds are passed over") {
  auto json = nlohmann::json::parse(write_bridge_state(some_state()));
  json["added"] = {1, 2, 3};
  const auto state = read_bridge_state(json.dump());
  REQUIRE(state.ok());
  CHECK(*state == some_state());
}

TEST_CASE("bridge state: a bridge serves the parts in its ranges") {
  const BridgeState state = some_state();
  CHECK(state.serves(0));
  CHECK(state.serves(31));
  CHECK(!state.serves(32));
  CHECK(state.serves(40));
  CHECK(!state.serves(41));
  CHECK(!BridgeState{}.serves(0));
}

TEST_CASE("bridge state: anything else is damaged, with a reason") {
  const auto refused = [](std::string_view text) {
    const auto state = read_bridge_state(text);
    return !state.ok() && state.error().code == Errc::damaged && state.error().message.starts_with("bridge state: ");
  };
  CHECK(refused(""));
  CHECK(refused("null"));
  CHECK(refused("[]"));
  CHECK(refused("{\"version\":1"));
  CHECK(refused("{\"version\":1}"));
  CHECK(refused("{\"version\":\"one\"}"));
  CHECK(refused(std::string(100000, '[')));
  auto json = nlohmann::json::parse(write_bridge_state(some_state()));
  for (const auto& [key, value] : json.items()) {
    CAPTURE(key);
    auto without = json;
    without.erase(key);
    CHECK(refused(without.dump()));
    auto other_type = json;
    other_type[key] = nlohmann::json::parse("{\"x\":[]}");
    CHECK(refused(other_type.dump()));
  }
  json["version"] = 2;
  CHECK(refused(json.dump()));
}
