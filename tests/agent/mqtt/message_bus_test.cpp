#include <doctest/doctest.h>

#include "agent/mqtt/paho_bus.h"
#include "tests/contract/message_bus_contract.h"
#include "tests/support/fake_bus.h"
#include "tests/support/mosquitto.h"
#include "tests/support/tcp_relay.h"

namespace joulespool::test {
namespace {

class FakeRig final : public BusRig {
 public:
  std::unique_ptr<mqtt::MessageBus> make_subject(mqtt::BusOptions options, mqtt::BusListener listener) override {
    return broker_.make_bus(options, std::move(listener));
  }
  std::unique_ptr<mqtt::MessageBus> make_observer(mqtt::BusOptions options, mqtt::BusListener listener) override {
    return broker_.make_bus(options, std::move(listener));
  }
  void sever() override { broker_.cut("subject"); }
  void stop_broker() override { broker_.stop(); }
  void start_broker() override { broker_.start(); }

 private:
  FakeBroker broker_;
};

std::unique_ptr<Mosquitto> start_mosquitto(const std::string& configuration = "", const Mosquitto::Files& files = {}) {
  auto started = Mosquitto::start(configuration, files);
  REQUIRE_MESSAGE(started.ok(), (started.ok() ? "" : started.error().message));
  return std::move(started).value();
}

std::unique_ptr<mqtt::MessageBus> make_paho(mqtt::BusOptions options, const std::string& uri, mqtt::BusListener listener) {
  options.uri = uri;
  auto bus = mqtt::make_paho_bus(options, std::move(listener));
  REQUIRE(bus.ok());
  return std::move(bus).value();
}

class MosquittoRig final : public BusRig {
 public:
  std::unique_ptr<mqtt::MessageBus> make_subject(mqtt::BusOptions options, mqtt::BusListener listener) override {
    return make_paho(std::move(options), relay_.uri(), std::move(listener));
  }
  std::unique_ptr<mqtt::MessageBus> make_observer(mqtt::BusOptions options, mqtt::BusListener listener) override {
    return make_paho(std::move(options), broker_->uri(), std::move(listener));
  }
  void sever() override { relay_.cut(); }
  void stop_broker() override { broker_->kill(); }
  void start_broker() override { REQUIRE(broker_->start_again().ok()); }

 private:
  std::unique_ptr<Mosquitto> broker_ = start_mosquitto();
  TcpRelay relay_{broker_->port()};
};

TEST_CASE("mqtt: the fake bus keeps the contract of a message bus") {
  FakeRig rig;
  message_bus_contract(rig);
}

TEST_CASE("mqtt: the Paho bus on mosquitto keeps the contract of a message bus") {
  MosquittoRig rig;
  message_bus_contract(rig);
}

TEST_CASE("mqtt: the fake broker matches topics as MQTT does") {
  CHECK(topic_matches("a/b", "a/b"));
  CHECK(topic_matches("a/+", "a/b"));
  CHECK(topic_matches("a/#", "a/b/c"));
  CHECK(topic_matches("a/#", "a"));
  CHECK(topic_matches("+/+", "/b"));
  CHECK(topic_matches("#", "a/b"));
  CHECK(topic_matches("a/+/c", "a/b/c"));
  CHECK(!topic_matches("a/+", "a/b/c"));
  CHECK(!topic_matches("a/+", "a"));
  CHECK(!topic_matches("a/b", "a/b/c"));
  CHECK(!topic_matches("a/b/c", "a/b"));
  CHECK(!topic_matches("b/#", "a/b"));
}

TEST_CASE("mqtt: an address that is not tcp://HOST:PORT, or no client id, is a usage error") {
  for (const char* uri :
       {"", "127.0.0.1:1883", "tcp://", "tcp://:1883", "tcp://host", "tcp://host:", "tcp://host:0", "tcp://host:65536",
        "tcp://host:12x", "tcp://a:b:1", "http://host:80", "ssl://host:8883", "tcp://ho st:1"}) {
    CAPTURE(uri);
    mqtt::BusOptions options = bus_options("x");
    options.uri = uri;
    const auto bus = mqtt::make_paho_bus(options, [](mqtt::BusEvent) {});
    REQUIRE(!bus.ok());
    CHECK(bus.error().code == Errc::usage);
  }
  mqtt::BusOptions options = bus_options("");
  options.uri = "tcp://127.0.0.1:1883";
  CHECK(!mqtt::make_paho_bus(options, [](mqtt::BusEvent) {}).ok());
}

TEST_CASE("mqtt: a failed connect says which broker and why") {
  BusLog log;
  SUBCASE("nobody listens") {
    const std::string uri = "tcp://127.0.0.1:" + std::to_string(free_port());
    auto bus = make_paho(bus_options("x"), uri, log.listener());
    REQUIRE(bus->connect().ok());
    REQUIRE(log.wait_for_count<mqtt::ConnectFailed>(1));
    CHECK(log.all<mqtt::ConnectFailed>()[0].reason.find(uri) == 0);
  }
  SUBCASE("the name does not exist") {
    auto bus = make_paho(bus_options("x"), "tcp://no-such-host.invalid:1883", log.listener());
    REQUIRE(bus->connect().ok());
    REQUIRE(log.wait_for_count<mqtt::ConnectFailed>(1));
    CHECK(log.all<mqtt::ConnectFailed>()[0].reason.find("name not found") != std::string::npos);
  }
  SUBCASE("the broker knows no such user") {
    auto broker = start_mosquitto("allow_anonymous false");
    mqtt::BusOptions options = bus_options("x");
    options.username = "somebody";
    options.password = "wrong";
    auto bus = make_paho(options, broker->uri(), log.listener());
    REQUIRE(bus->connect().ok());
    REQUIRE(log.wait_for_count<mqtt::ConnectFailed>(1));
    CHECK(log.all<mqtt::ConnectFailed>()[0].reason.find("broker refused: Not authorized (135)") != std::string::npos);
  }
}

TEST_CASE("mqtt: a broker that takes the connection and says nothing gives ConnectFailed in time") {
  BusLog log;
  auto broker = start_mosquitto();
  TcpRelay relay(broker->port());
  relay.blackhole(true);
  mqtt::BusOptions options = bus_options("x");
  options.connect_timeout_s = 1;
  auto bus = make_paho(options, relay.uri(), log.listener());
  REQUIRE(bus->connect().ok());
  REQUIRE(log.wait_for_count<mqtt::ConnectFailed>(1));
  relay.blackhole(false);
  REQUIRE(bus->connect().ok());
  REQUIRE(log.wait_for_count<mqtt::Connected>(1));
}

TEST_CASE("mqtt: what the broker's access list forbids comes back as refused, and the connection lives") {
  auto broker = start_mosquitto("acl_file DIRECTORY/acl\nmax_inflight_messages 7",
                                {{"acl", "topic readwrite allowed/#\ntopic readwrite sync/#\n"}});
  BusPeer peer;
  peer.bus = make_paho(bus_options("x"), broker->uri(), peer.log.listener());
  peer.connect();
  CHECK(peer.log.all<mqtt::Connected>()[0].receive_maximum == 7);
  REQUIRE(peer.bus->publish(1, {"forbidden", BusLog::to_bytes("x"), false, {}}).ok());
  REQUIRE(peer.bus->publish(2, {"allowed/a", BusLog::to_bytes("x"), false, {}}).ok());
  REQUIRE(peer.log.wait_for_count<mqtt::Published>(2));
  for (const auto& published : peer.log.all<mqtt::Published>()) {
    CHECK(published.result.ok() == (published.token == 2));
    if (!published.result) CHECK(published.result.error().message == "broker refused: Not authorized (135)");
  }
  peer.subscribe("allowed/#");
  CHECK(peer.log.count<mqtt::Disconnected>() == 0);
}

TEST_CASE("mqtt: a connection that the broker ends is lost, with its reason where it gives one") {
  auto broker = start_mosquitto("max_packet_size 2000");
  BusPeer peer;
  peer.bus = make_paho(bus_options("x"), broker->uri(), peer.log.listener());
  peer.connect();
  REQUIRE(peer.bus->publish(1, {"a", wire::Bytes(5000), false, {}}).ok());
  REQUIRE(peer.log.wait_for_count<mqtt::Disconnected>(1));
  CHECK(peer.log.all<mqtt::Disconnected>()[0].reason == "broker ended the connection: Packet too large (149)");
  CHECK(peer.log.count<mqtt::Published>() == 0);
}

TEST_CASE("mqtt: more publishes under way than the bus takes are refused, not stored") {
  auto broker = start_mosquitto();
  TcpRelay relay(broker->port());
  BusPeer peer;
  peer.bus = make_paho(bus_options("x"), relay.uri(), peer.log.listener());
  peer.connect();
  relay.blackhole(true);
  size_t taken = 0;
  Status last;
  while (taken < 1000 && (last = peer.bus->publish(taken, {"a", wire::Bytes(1000), false, {}})).ok()) ++taken;
  CHECK(taken >= 2 * mqtt::publish_window_max);
  REQUIRE(!last.ok());
  CHECK(last.error().code == Errc::full);
  relay.blackhole(false);
  CHECK(peer.log.wait_for_count<mqtt::Published>(taken));
}

// As the uplink does: tries again after ConnectFailed.
void connect_at_last(BusPeer& peer) {
  const size_t wanted = peer.log.count<mqtt::Connected>() + 1;
  for (int attempt = 0; attempt < 5 && peer.log.count<mqtt::Connected>() < wanted; ++attempt) {
    const size_t outcomes = wanted + peer.log.count<mqtt::ConnectFailed>();
    REQUIRE(peer.bus->connect().ok());
    REQUIRE(peer.log.wait_for([&](const auto& events) {
      size_t seen = 0;
      for (const auto& event : events)
        seen += std::holds_alternative<mqtt::Connected>(event) || std::holds_alternative<mqtt::ConnectFailed>(event) ? 1U : 0U;
      return seen >= outcomes;
    }));
  }
  REQUIRE(peer.log.count<mqtt::Connected>() == wanted);
}

TEST_CASE("mqtt: connections that break again and again with publishes that never left are replaced by working ones") {
  auto broker = start_mosquitto();
  TcpRelay relay(broker->port());
  BusPeer peer;
  peer.bus = make_paho(bus_options("x"), relay.uri(), peer.log.listener());
  for (size_t round = 1; round <= 4; ++round) {
    connect_at_last(peer);
    const size_t published = peer.log.count<mqtt::Published>();
    REQUIRE(peer.bus->publish(1000 * round, {"marker", BusLog::to_bytes("x"), false, {}}).ok());
    REQUIRE(peer.log.wait_for_count<mqtt::Published>(published + 1));
    relay.blackhole(true);
    for (size_t i = 1; i <= mqtt::publish_window_max; ++i)  // far more than the sockets hold
      REQUIRE(peer.bus->publish(1000 * round + i, {"a", wire::Bytes(1'000'000), false, {{"prev", "0"}}}).ok());
    relay.cut();
    relay.blackhole(false);
    REQUIRE(peer.log.wait_for_count<mqtt::Disconnected>(round));
  }
  MESSAGE(peer.log.count<mqtt::ConnectFailed>() << " attempts failed");
  uint64_t connection = 0;
  for (const mqtt::BusEvent& event : peer.log.events()) {
    if (std::holds_alternative<mqtt::Connected>(event)) ++connection;
    const auto* published = std::get_if<mqtt::Published>(&event);
    if (published != nullptr) CHECK(published->token / 1000 == connection);  // nobody hears of what an earlier one left
  }
}

}  // namespace
}  // namespace joulespool::test
