// The stand-in driver has the traps of the real one: each test is named after the mistake that it catches.
#include <doctest/doctest.h>

#include <future>

#include "agent/device/simulated_source.h"
#include "tests/support/standin/driver_client.h"

using namespace joulespool;
using namespace joulespool::test;

namespace {

const std::string js220 = "u/js220/001122";
const std::string js110 = "u/js110/000456";

StandinWorld::Keys js220_keys(StandinWorld::Keys more = {}) {
  more.insert({{"model", "js220"}, {"serial", "001122"}, {"seed", "7"}, {"load", "cpu"}});
  return more;
}
StandinWorld::Keys js110_keys(StandinWorld::Keys more = {}) {
  more.insert({{"model", "js110"}, {"serial", "000456"}, {"seed", "9"}, {"load", "ranges"}});
  return more;
}

// What the simulated device of the same seed measures at this tick.
std::vector<float> expected(const std::string& model, bool current, uint64_t tick, size_t count, uint32_t rate_hz = 0) {
  device::SimulatedDevice twin;
  twin.model = model;
  twin.seed = model == "js110" ? 9 : 7;
  twin.load = model == "js110" ? "ranges" : "cpu";
  twin.sample_rate_hz = rate_hz;
  std::vector<float> i(count), v(count);
  device::simulated_samples(twin, tick, i, v);
  return current ? i : v;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("stand-in: i and v of a js220 come as messages of 50,022 samples that the simulated device measures, too") {
  StandinWorld world;
  world.plug(js220_keys({{"counter_start", "10000000000"}}));
  DriverClient client;
  Recorder recorder;
  stream(client, js220, {"s/i", "s/v"}, recorder);
  REQUIRE(recorder.wait_for(3, "s/i/!data"));
  REQUIRE(recorder.wait_for(3, "s/v/!data"));
  for (const std::string topic : {"s/i/!data", "s/v/!data"}) {
    uint64_t next = 0;
    for (const KeptMessage& message : recorder.messages(topic)) {
      const StreamHead header = message.stream();
      CHECK(header.version == 1);
      CHECK(header.sample_id > 10'000'000'000);
      CHECK((next == 0 || header.sample_id == next));
      CHECK(header.element_count == 50'022);
      CHECK(header.sample_rate == 2'000'000);
      CHECK(header.decimate_factor == 2);
      CHECK(message.value.size == abi::stream_header_bytes + 4 * 50'022);
      CHECK(same_bits(message.floats(), expected("js220", topic == "s/i/!data", header.sample_id, 50'022)));
      next = header.sample_id_end();
    }
  }
}

TEST_CASE("stand-in: who takes 50,000 samples a message is told otherwise by a js110: 65,394, from sample_id 0 on") {
  StandinWorld world;
  world.plug(js110_keys());
  DriverClient client;
  Recorder recorder;
  stream(client, js110, {"s/i", "s/v"}, recorder);
  REQUIRE(recorder.wait_for(3, "s/i/!data"));
  uint64_t next = 0;
  for (const KeptMessage& message : recorder.messages("s/i/!data")) {
    const StreamHead header = message.stream();
    CHECK(header.sample_id == next);
    CHECK(header.element_count == 65'394);
    CHECK(header.decimate_factor == 1);
    CHECK(same_bits(message.floats(), expected("js110", true, header.sample_id, 65'394)));
    next = header.sample_id_end();
  }
}

TEST_CASE("stand-in: who publishes retained gets success and no data ever after a replug, who does not gets data") {
  for (const bool retained : {true, false}) {
    CAPTURE(retained);
    StandinWorld world;
    const std::string id = world.plug(js220_keys({{"speed", "4"}}));
    DriverClient client;
    Recorder presence, samples;
    REQUIRE(client.subscribe("@/!add", abi::subscribe_published, Recorder::on_value, &presence) == 0);
    REQUIRE(client.subscribe("@/!remove", abi::subscribe_published, Recorder::on_value, &presence) == 0);
    REQUIRE(client.subscribe(js220 + "/s/i/!data", abi::subscribe_published, Recorder::on_value, &samples) == 0);
    REQUIRE(client.open(js220) == 0);
    REQUIRE(client.publish(js220 + "/s/i/ctrl", u32_value(1, retained)) == 0);
    REQUIRE(samples.wait_for(1));
    world.unplug(id);
    REQUIRE(presence.wait_for(1, "@/!remove"));
    samples.clear();
    world.plug_again(id);
    REQUIRE(presence.wait_for(1, "@/!add"));
    REQUIRE(client.open(js220) == 0);
    CHECK(client.publish(js220 + "/s/i/ctrl", u32_value(1, retained)) == 0);
    if (!retained) {
      CHECK(samples.wait_for(1));
      continue;
    }
    // The voltage tells that there was time enough for current.
    REQUIRE(client.subscribe(js220 + "/s/v/!data", abi::subscribe_published, Recorder::on_value, &samples) == 0);
    REQUIRE(client.publish(js220 + "/s/v/ctrl", 1) == 0);
    REQUIRE(samples.wait_for(20, "s/v/!data"));
    CHECK(samples.messages("s/i/!data").empty());
  }
}
