#include "agent/uplink/uplink.h"

#include <doctest/doctest.h>

#include <random>

#include "agent/mqtt/paho_bus.h"
#include "tests/agent/uplink/test_bridge.h"
#include "tests/support/fake_bus.h"
#include "tests/support/memory_spool.h"
#include "tests/support/mosquitto.h"

namespace joulespool::test {
namespace {

using uplink::Uplink;
using uplink::UplinkStatus;
using wire::Lane;

const std::string host = "bench-1", device = "js220-000001";
const wire::FrameSequence stat{device, 1, Lane::stat}, wave{device, 1, Lane::wave}, event{device, 1, Lane::event};

uplink::UplinkSettings quick() {
  uplink::UplinkSettings settings;
  settings.host = host;
  settings.drain.ack_timeout_ns = 300 * ns_per_ms;
  settings.backoff = {.first_ns = 5 * ns_per_ms, .max_ns = 50 * ns_per_ms};
  settings.state_interval_ns = 3600 * ns_per_s;
  return settings;
}

mqtt::BusOptions options_of(const std::string& client_id) {
  mqtt::BusOptions options;
  options.client_id = client_id;
  return options;
}

// An uplink with a spool in memory and a writer that lets go of stored frames at once.
class Agent {
 public:
  Agent(uplink::UplinkSettings settings, uplink::BusFactory make_bus)
      : uplink(std::move(settings), clock, std::move(make_bus), spool.reader(), callbacks()) {}

  void add(const wire::FrameSequence& sequence, size_t count, size_t size_bytes = 1000) {
    for (size_t i = 0; i < count; ++i) spool.add(sequence, size_bytes);
    uplink.frames_committed();
  }
  template <class Condition>
  bool wait_for(Condition condition) {
    const int64_t deadline_ns = clock.monotonic_ns() + 20 * ns_per_s;
    while (!condition(uplink.status()))
      if (!clock.wait_until(clock.monotonic_ns() + ns_per_ms, {}) || clock.monotonic_ns() > deadline_ns) return false;
    return true;
  }
  bool wait_until_drained() {
    return wait_for([this](const UplinkStatus& status) { return spool.frames().empty() && status.frames_unacked == 0; });
  }
  std::vector<wire::FrameId> damaged() { return copy(damaged_); }
  std::vector<std::pair<wire::FrameId, std::string>> rejected() { return copy(rejected_); }

  SystemClock clock;
  MemorySpool spool;

 private:
  template <class List>
  List copy(const List& list) {
    const std::lock_guard lock(mutex_);
    return list;
  }
  uplink::UplinkCallbacks callbacks() {
    return {.on_stored =
                [this](const auto& stored) {
                  for (const auto& [sequence, range] : stored) spool.remove(sequence, range);
                  uplink.frames_committed();
                },
            .on_rejected =
                [this](const wire::FrameId& id, const std::string& reason) {
                  spool.remove(id);
                  uplink.frames_committed();
                  const std::lock_guard lock(mutex_);
                  rejected_.emplace_back(id, reason);
                },
            .on_damaged =
                [this](const wire::FrameId& id) {
                  const std::lock_guard lock(mutex_);
                  damaged_.push_back(id);
                },
            .state_json = [] { return std::string("online"); },
            .offline_state_json = [] { return std::string("offline"); }};
  }
  std::mutex mutex_;
  std::vector<wire::FrameId> damaged_;
  std::vector<std::pair<wire::FrameId, std::string>> rejected_;

 public:
  Uplink uplink;  // last: its thread uses all of the above
};

// Agent and bridge on a broker in memory.
struct Rig {
  explicit Rig(const uplink::UplinkSettings& settings = quick())
      : bridge(factory("bridge"), host, device), agent(settings, factory("agent", true)) {
    observer.bus = broker.make_bus(options_of("observer"), observer.log.listener());
  }
  ~Rig() { agent.uplink.stop(); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  uplink::BusFactory factory(const std::string& client_id, bool has_will = false) {
    return [this, client_id, has_will](mqtt::BusListener listener) -> Result<std::unique_ptr<mqtt::MessageBus>> {
      mqtt::BusOptions options = options_of(client_id);
      options.has_will = has_will;
      if (has_will) options.will = uplink::state_message(host, "gone");
      return broker.make_bus(options, std::move(listener));
    };
  }
  void start() { REQUIRE(agent.uplink.start().ok()); }
  void observe(const std::string& topic) {
    REQUIRE(observer.bus->connect().ok());
    REQUIRE(observer.log.wait_for_count<mqtt::Connected>(1));
    REQUIRE(observer.bus->subscribe(topic).ok());
  }

  struct Observer {
    BusLog log;
    std::unique_ptr<mqtt::MessageBus> bus;
  };
  FakeBroker broker;
  Observer observer;
  TestBridge bridge;
  Agent agent;
};

std::vector<uint64_t> numbers(uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t i = 1; i <= last; ++i) all.push_back(i);
  return all;
}

TEST_CASE("uplink: frames go to the bridge in order, on their lane's topic, and leave the spool when acked") {
  Rig rig;
  rig.agent.add(stat, 200);
  rig.agent.add(wave, 100, 100'000);
  rig.start();
  rig.agent.add(event, 3);
  REQUIRE(rig.agent.wait_until_drained());
  CHECK(rig.bridge.stored(Lane::stat) == numbers(200));
  CHECK(rig.bridge.stored(Lane::wave) == numbers(100));
  CHECK(rig.bridge.stored(Lane::event) == numbers(3));
  CHECK(rig.bridge.arrived()[0].topic == wire::data_topic(host, rig.bridge.arrived()[0].lane));
  const UplinkStatus status = rig.agent.uplink.status();
  CHECK(status.connected);
  CHECK(status.bridge_online);
  CHECK(status.bridge_accepting);
  CHECK(status.bridge_reason.empty());
  CHECK(status.counts.frames_published == 303);
  CHECK(status.counts.frames_acked == 303);
  CHECK(status.counts.bytes_published == 203 * 1000 + 100 * 100'000);
  CHECK(status.counts.frames_resent == 0);
  CHECK(status.connects == 1);
  CHECK(status.backoff_attempts == 0);
  CHECK(rig.agent.wait_for([](const UplinkStatus& s) { return !s.oldest_waiting_age_ns; }));
}

TEST_CASE("uplink: it waits for a bridge that accepts, and says why") {
  Rig rig;
  rig.observe(wire::bridge_state_topic("one"));
  rig.bridge.set_accepting(false);
  REQUIRE(rig.agent.wait_for([&](const UplinkStatus&) {
    const auto states = rig.observer.log.payloads(wire::bridge_state_topic("one"));
    return !states.empty() && states.back().find("\"accepting\":false") != std::string::npos;
  }));
  rig.agent.add(stat, 5);
  rig.start();
  REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return s.bridge_online && !s.bridge_accepting; }));
  CHECK(rig.agent.uplink.status().bridge_reason == "bridge one: not accepting");
  CHECK(rig.agent.uplink.status().oldest_waiting_age_ns);
  CHECK(rig.agent.uplink.status().counts.frames_published == 0);
  CHECK(rig.agent.uplink.published().empty());
  rig.bridge.set_accepting(true);
  CHECK(rig.agent.wait_until_drained());
  CHECK(rig.agent.uplink.published() == std::map<wire::FrameSequence, uint64_t>{{stat, 5}});
}

TEST_CASE("uplink: a broker that dies with everything it had delays, but loses nothing") {
  Rig rig;
  rig.start();
  for (int round = 1; round <= 5; ++round) {
    rig.agent.add(stat, 100);
    REQUIRE(rig.bridge.wait_for_stored(Lane::stat, static_cast<uint64_t>(round * 100 - 60)));
    rig.broker.stop();
    REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return !s.connected && s.connects_failed > 0; }));
    CHECK(!rig.agent.uplink.status().last_error.empty());
    rig.broker.start();
  }
  REQUIRE(rig.agent.wait_until_drained());
  CHECK(rig.bridge.stored(Lane::stat) == numbers(500));
  CHECK(rig.agent.wait_for([](const UplinkStatus& s) { return s.connected && s.connects == 6; }));
  CHECK(rig.agent.uplink.status().disconnects == 5);
}

TEST_CASE("uplink: a bridge that starts anew gets what was not acked, at once") {
  uplink::UplinkSettings settings = quick();
  settings.drain.ack_timeout_ns = 3600 * ns_per_s;
  Rig rig(settings);
  rig.bridge.set_acking(false);
  rig.start();
  rig.agent.add(stat, 10);
  REQUIRE(rig.bridge.wait_for_arrived(10));
  rig.bridge.set_acking(true);
  rig.bridge.restart();
  REQUIRE(rig.agent.wait_until_drained());
  CHECK(rig.agent.uplink.status().counts.frames_resent == 10);
  CHECK(rig.bridge.arrived()[10].previous == 0);
}

TEST_CASE("uplink: messages that the broker loses after taking them are sent again") {
  uplink::UplinkSettings settings = quick();
  settings.drain.ack_timeout_ns = settings.drain.ack_timeout_max_ns = 50 * ns_per_ms;
  Rig rig(settings);
  std::mt19937 random(1);  // used by the broker's thread
  rig.broker.drop_if([&](const std::string&, const mqtt::Message& message) {
    const bool is_meant = message.topic.find("/data/") != std::string::npos || message.topic == wire::ack_topic(host);
    return is_meant && random() % 7 == 0;
  });
  rig.start();
  rig.agent.add(stat, 100);
  REQUIRE(rig.bridge.wait_for_stored(Lane::stat, 100));
  rig.broker.drop_if({});
  REQUIRE(rig.agent.wait_until_drained());
  CHECK(rig.bridge.stored(Lane::stat) == numbers(100));
  CHECK(rig.agent.uplink.status().counts.frames_resent > 0);
}

TEST_CASE("uplink: publishes that the broker refuses are tried again, and the reason is said") {
  Rig rig;
  std::atomic<bool> refuses = true;
  rig.broker.refuse_if([&](const std::string&, const mqtt::Message& message) {
    return refuses && message.topic.find("/data/") != std::string::npos;
  });
  rig.start();
  rig.agent.add(stat, 3);
  REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return s.counts.publishes_refused >= 3; }));
  CHECK(rig.agent.uplink.status().last_error == "broker refused: Not authorized (135)");
  refuses = false;
  CHECK(rig.agent.wait_until_drained());
}

TEST_CASE("uplink: the state is retained, published on request, and replaced by an offline one at the end or when it breaks") {
  Rig rig;
  rig.observe(wire::state_topic(host));
  const auto has_states = [&](const std::vector<std::string>& expected) {
    return rig.agent.wait_for(
        [&](const UplinkStatus&) { return rig.observer.log.payloads(wire::state_topic(host)) == expected; });
  };
  rig.start();
  CHECK(has_states({"online"}));
  rig.agent.uplink.request_state();
  CHECK(has_states({"online", "online"}));
  rig.broker.cut("agent");
  CHECK(has_states({"online", "online", "gone", "online"}));
  rig.agent.uplink.stop();
  CHECK(has_states({"online", "online", "gone", "online", "offline"}));
  CHECK(!rig.agent.uplink.status().connected);
}

TEST_CASE("uplink: who sends in a host's place leaves its state alone") {
  uplink::UplinkSettings settings = quick();
  settings.publishes_state = false;
  settings.state_interval_ns = ns_per_ms;
  Rig rig(settings);
  rig.observe(wire::state_topic(host));
  rig.agent.add(stat, 50);
  rig.start();
  rig.agent.uplink.request_state();
  REQUIRE(rig.agent.wait_until_drained());
  rig.agent.uplink.stop();
  CHECK(rig.observer.log.payloads(wire::state_topic(host)).empty());
}

TEST_CASE("uplink: the state is published again and again") {
  uplink::UplinkSettings settings = quick();
  settings.state_interval_ns = 20 * ns_per_ms;
  Rig rig(settings);
  rig.observe(wire::state_topic(host));
  rig.start();
  CHECK(rig.observer.log.wait_for_count<mqtt::Received>(5));
}

TEST_CASE("uplink: events are published; beyond a limit they are dropped and counted") {
  Rig rig;
  rig.observe(wire::event_topic(host));
  for (size_t i = 0; i < uplink::events_waiting_max + 10; ++i)
    CHECK(rig.agent.uplink.publish_event(std::to_string(i)) == (i < uplink::events_waiting_max));
  CHECK(!rig.agent.uplink.publish_event(std::string(1'000'000, 'x')));
  CHECK(rig.agent.uplink.status().events_dropped == 11);
  rig.start();
  REQUIRE(rig.observer.log.wait_for_count<mqtt::Received>(uplink::events_waiting_max));
  const auto payloads = rig.observer.log.payloads(wire::event_topic(host));
  for (size_t i = 0; i < payloads.size(); ++i) CHECK(payloads[i] == std::to_string(i));
}

TEST_CASE("uplink: damaged frames are reported once and left out, rejected ones reported with the reason") {
  Rig rig;
  rig.agent.add(stat, 10);
  rig.agent.spool.damage({stat, 4});
  rig.bridge.set_rejected(6);
  rig.start();
  REQUIRE(
      rig.agent.wait_for([&](const UplinkStatus& s) { return rig.agent.spool.frames().size() == 1 && s.frames_unacked == 0; }));
  rig.bridge.restart();  // reads again
  rig.agent.add(stat, 1);
  REQUIRE(rig.bridge.wait_for_stored(Lane::stat, 10));
  CHECK(rig.agent.damaged() == std::vector<wire::FrameId>{{stat, 4}});
  REQUIRE(rig.agent.rejected().size() == 1);
  CHECK(rig.agent.rejected()[0] == std::pair(wire::FrameId{stat, 6}, std::string("no good")));
  CHECK(rig.agent.uplink.status().frames_damaged == 1);
  CHECK(rig.agent.uplink.status().counts.frames_rejected == 1);
}

TEST_CASE("uplink: damaged acks and bridge states are counted, and the rest goes on") {
  Rig rig;
  rig.start();
  rig.agent.add(stat, 10);
  REQUIRE(rig.agent.wait_until_drained());
  rig.bridge.publish_raw(wire::ack_topic(host), "\xff\xff\xff no protobuf");
  rig.bridge.publish_raw(wire::ack_topic(host), std::string(wire::ack_bytes_max + 1, 'x'));
  rig.bridge.publish_raw(wire::bridge_state_topic("two"), "{\"version\":1");
  rig.bridge.publish_raw("joulespool/v1/bridge/BAD ID/state", "{}");
  rig.agent.add(stat, 10);
  REQUIRE(rig.agent.wait_until_drained());
  CHECK(rig.agent.wait_for(
      [](const UplinkStatus& s) { return s.acks_damaged == 1 && s.bridge_states_damaged == 1 && s.inputs_dropped == 1; }));
}

TEST_CASE("uplink: a spool that cannot be read is tried again") {
  Rig rig;
  rig.agent.spool.fail(true);
  rig.agent.add(stat, 10);
  rig.start();
  REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return s.last_error == "spool: disk on fire"; }));
  rig.agent.spool.fail(false);
  CHECK(rig.agent.wait_until_drained());
}

TEST_CASE("uplink: a broker that takes publishes but never answers is left") {
  uplink::UplinkSettings settings = quick();
  settings.publish_timeout_ns = 100 * ns_per_ms;
  Rig rig(settings);
  rig.broker.hold_acknowledgements(true);
  rig.start();
  REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return s.last_error == "the broker does not answer publishes"; }));
  rig.broker.hold_acknowledgements(false);
  rig.agent.add(stat, 10);
  CHECK(rig.agent.wait_until_drained());
}

TEST_CASE("uplink: a broker that refuses the ack topic is tried again, with the reason in the status") {
  Rig rig;
  rig.broker.refuse_subscription(wire::ack_topic(host));
  rig.agent.add(stat, 1);
  rig.start();
  REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return s.disconnects >= 2; }));
  CHECK(rig.agent.uplink.status().last_error == "subscribe " + wire::ack_topic(host) + ": broker refused: Not authorized (135)");
  rig.broker.refuse_subscription("");
  CHECK(rig.agent.wait_until_drained());
}

TEST_CASE("uplink: a connection that is refused is tried again, a bus that cannot be made is an error") {
  Rig rig;
  rig.broker.refuse_connects("bad user name or password");
  rig.start();
  REQUIRE(rig.agent.wait_for([](const UplinkStatus& s) { return s.connects_failed >= 2 && s.backoff_attempts >= 2; }));
  CHECK(rig.agent.uplink.status().last_error == "broker refused: bad user name or password");
  CHECK(rig.agent.uplink.status().bridge_reason == "not connected");
  rig.broker.refuse_connects("");
  CHECK(rig.agent.wait_for([](const UplinkStatus& s) { return s.connected; }));

  Agent broken(quick(), [](mqtt::BusListener) -> Result<std::unique_ptr<mqtt::MessageBus>> {
    return Error{Errc::usage, "no such thing"};
  });
  const Status started = broken.uplink.start();
  REQUIRE(!started.ok());
  CHECK(started.error().code == Errc::usage);
}

TEST_CASE("uplink: it may be stopped at any time, twice, or before it was started") {
  Rig rig;
  rig.agent.uplink.stop();
  rig.start();
  rig.agent.add(wave, 50, 50'000);
  rig.agent.uplink.stop();
  rig.agent.uplink.stop();
}

TEST_CASE("uplink: over a real broker that is killed and started again, everything arrives in order") {
  auto broker = Mosquitto::start();
  REQUIRE(broker.ok());
  const auto factory = [&](const std::string& client_id) -> uplink::BusFactory {
    return [&, client_id](mqtt::BusListener listener) {
      mqtt::BusOptions options = options_of(client_id);
      options.uri = (*broker)->uri();
      return mqtt::make_paho_bus(options, std::move(listener));
    };
  };
  TestBridge bridge(factory("bridge"), host, device);
  Agent agent(quick(), factory("agent"));
  REQUIRE(agent.uplink.start().ok());
  for (int round = 1; round <= 2; ++round) {
    agent.add(stat, 100, 20'000);
    agent.add(wave, 100, 100'000);
    REQUIRE(bridge.wait_for_stored(Lane::stat, static_cast<uint64_t>(round * 100 - 60)));
    (*broker)->kill();
    REQUIRE(agent.wait_for([&](const UplinkStatus& s) { return s.disconnects == static_cast<uint64_t>(round); }));
    REQUIRE((*broker)->start_again().ok());
  }
  REQUIRE(agent.wait_until_drained());
  CHECK(bridge.stored(Lane::stat) == numbers(200));
  CHECK(bridge.stored(Lane::wave) == numbers(200));
  agent.uplink.stop();
}

}  // namespace
}  // namespace joulespool::test
