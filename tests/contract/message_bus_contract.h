// What every MessageBus promises. The same suite runs on the fake and on the real one.
#pragma once

#include <doctest/doctest.h>

#include "agent/mqtt/message_bus.h"
#include "tests/support/bus_log.h"

namespace joulespool::test {

// A broker and how to reach it. `connection_of_subject` may be broken by sever().
class BusRig {
 public:
  virtual ~BusRig() = default;
  virtual std::unique_ptr<mqtt::MessageBus> make_subject(mqtt::BusOptions options, mqtt::BusListener listener) = 0;
  virtual std::unique_ptr<mqtt::MessageBus> make_observer(mqtt::BusOptions options, mqtt::BusListener listener) = 0;
  virtual void sever() = 0;         // the subject's connection breaks without a DISCONNECT
  virtual void stop_broker() = 0;   // as killed
  virtual void start_broker() = 0;  // with an empty store
};

// A bus with its log.
struct BusPeer {
  BusLog log;
  std::unique_ptr<mqtt::MessageBus> bus;
  uint64_t next_token = 1'000'000;

  void connect() {
    const size_t before = log.count<mqtt::Connected>();
    REQUIRE(bus->connect().ok());
    const bool is_connected = log.wait_for_count<mqtt::Connected>(before + 1);
    const auto failures = log.all<mqtt::ConnectFailed>();
    REQUIRE_MESSAGE(is_connected, (failures.empty() ? "no answer" : failures.back().reason));
  }
  void publish(const std::string& topic, std::string_view text, bool retain = false) {
    REQUIRE(bus->publish(++next_token, {topic, BusLog::to_bytes(text), retain, {}}).ok());
  }
  // Subscribes, and waits until the broker has done it (what follows in the same connection comes after it).
  void subscribe(const std::string& filter) {
    REQUIRE(bus->subscribe(filter).ok());
    const std::string own = "sync/" + std::to_string(reinterpret_cast<uintptr_t>(this));
    const std::string text = std::to_string(++next_token);
    REQUIRE(bus->subscribe(own).ok());
    publish(own, text);
    REQUIRE(log.wait_for_payload(own, text));
  }
  [[nodiscard]] size_t published_ok() const {
    size_t count = 0;
    for (const auto& published : log.all<mqtt::Published>()) count += published.result.ok() ? 1U : 0U;
    return count;
  }
};

inline mqtt::BusOptions bus_options(const std::string& client_id) {
  mqtt::BusOptions options;
  options.client_id = client_id;
  return options;
}

inline void check_messages_arrive_unchanged(BusPeer& subject, BusPeer& observer) {
  observer.subscribe("data/#");
  const std::vector<mqtt::Message> messages = {
      {"data/a", BusLog::to_bytes("text"), false, {{"prev", "17"}, {"prev", "18"}, {"empty", ""}}},
      {"data/b", {}, false, {}},
      {"data/c/d", wire::Bytes(128 * 1024, std::byte{0xA5}), false, {{"prev", "0"}}},
  };
  for (size_t i = 0; i < messages.size(); ++i) REQUIRE(subject.bus->publish(100 + i, messages[i]).ok());
  REQUIRE(subject.log.wait_for_count<mqtt::Published>(messages.size()));
  const auto published = subject.log.all<mqtt::Published>();
  for (size_t i = 0; i < messages.size(); ++i) {
    CHECK(published[i].token == 100 + i);
    CHECK(published[i].result.ok());
  }
  REQUIRE(observer.log.wait_for([](const auto& events) {
    const auto* received = std::get_if<mqtt::Received>(&events.back());
    return received != nullptr && received->message.topic == "data/c/d";
  }));
  const auto received = observer.log.all<mqtt::Received>();
  REQUIRE(received.size() >= messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    const mqtt::Message& got = received[received.size() - messages.size() + i].message;
    CHECK(got.topic == messages[i].topic);
    CHECK(got.payload == messages[i].payload);
    CHECK(got.user_properties == messages[i].user_properties);
    CHECK(!got.retain);
  }
}

inline void check_order(BusPeer& subject, BusPeer& observer) {
  constexpr size_t count = 2000;
  observer.subscribe("order/+");
  for (size_t i = 0; i < count; ++i) {
    REQUIRE(subject.log.wait_for([&](const auto& events) {
      size_t done = 0;
      for (const auto& event : events) done += std::holds_alternative<mqtt::Published>(event) ? 1U : 0U;
      return done + mqtt::publish_window_max > i;
    }));
    REQUIRE(subject.bus->publish(i, {"order/x", BusLog::to_bytes(std::to_string(i)), false, {}}).ok());
  }
  REQUIRE(subject.log.wait_for_count<mqtt::Published>(count));
  REQUIRE(observer.log.wait_for_payload("order/x", std::to_string(count - 1)));
  const auto payloads = observer.log.payloads("order/x");
  REQUIRE(payloads.size() == count);
  for (size_t i = 0; i < count; ++i) REQUIRE(payloads[i] == std::to_string(i));
}

inline void check_broker_loss(BusRig& rig, BusPeer& subject) {
  subject.subscribe("down/#");
  subject.log.wait_for_count<mqtt::Published>(1);
  for (uint64_t token = 1; token <= 10; ++token)
    REQUIRE(subject.bus->publish(token, {"elsewhere", wire::Bytes(100'000), false, {}}).ok());
  rig.stop_broker();
  REQUIRE(subject.log.wait_for_count<mqtt::Disconnected>(1));
  const auto events = subject.log.events();
  CHECK(std::holds_alternative<mqtt::Disconnected>(events.back()));  // nothing of that connection comes after
  CHECK(!std::get<mqtt::Disconnected>(events.back()).reason.empty());
  CHECK(!subject.bus->publish(11, {"elsewhere", {}, false, {}}).ok());
  CHECK(!subject.bus->subscribe("elsewhere").ok());

  REQUIRE(subject.bus->connect().ok());
  REQUIRE(subject.log.wait_for_count<mqtt::ConnectFailed>(1));
  rig.start_broker();
  subject.connect();
  const size_t received = subject.log.count<mqtt::Received>();
  subject.publish("down/a", "not subscribed in this connection");
  subject.subscribe("down/#");
  subject.publish("down/a", "again");
  REQUIRE(subject.log.wait_for_payload("down/a", "again"));
  CHECK(subject.log.count<mqtt::Received>() == received + 2);  // with the marker of subscribe()
  CHECK(subject.log.count<mqtt::Disconnected>() == 1);
}

inline void check_will(BusRig& rig, BusPeer& subject, BusPeer& observer) {
  observer.subscribe("state/#");
  subject.publish("state/subject", "online", true);
  REQUIRE(observer.log.wait_for_payload("state/subject", "online"));

  subject.bus->disconnect(2000);
  observer.publish("state/marker", "1");
  REQUIRE(observer.log.wait_for_payload("state/marker", "1"));
  CHECK(observer.log.payloads("state/subject") == std::vector<std::string>{"online"});

  subject.connect();
  rig.sever();
  REQUIRE(subject.log.wait_for_count<mqtt::Disconnected>(1));
  REQUIRE(observer.log.wait_for_payload("state/subject", "gone"));
  CHECK(observer.log.payloads("state/subject") == std::vector<std::string>{"online", "gone"});

  BusPeer late;
  late.bus = rig.make_observer(bus_options("late"), late.log.listener());
  late.connect();
  late.subscribe("state/subject");
  REQUIRE(late.log.wait_for_payload("state/subject", "gone"));
  CHECK(late.log.all<mqtt::Received>().front().message.retain);
  CHECK(late.log.all<mqtt::Received>().front().message.user_properties.at(0).second == "will");
}

inline void check_retained(BusRig& rig, BusPeer& subject) {
  subject.publish("kept/a", "old", true);
  subject.publish("kept/a", "new", true);
  subject.publish("kept/b", "b", true);
  subject.publish("kept/b", "", true);  // removes it
  REQUIRE(subject.log.wait_for_count<mqtt::Published>(4));
  BusPeer late;
  late.bus = rig.make_observer(bus_options("late"), late.log.listener());
  late.connect();
  late.subscribe("kept/#");
  REQUIRE(late.log.wait_for_payload("kept/a", "new"));
  CHECK(late.log.all<mqtt::Received>().front().message.retain);
  CHECK(late.log.payloads("kept/a").size() == 1);
  CHECK(late.log.payloads("kept/b").empty());
}

inline void check_silence_after_disconnect(BusPeer& subject) {
  subject.subscribe("loop");
  for (int i = 0; i < 5; ++i) subject.publish("loop", "x");
  subject.bus->disconnect(2000);
  const size_t events = subject.log.events().size();
  CHECK(!subject.bus->publish(1, {"loop", {}, false, {}}).ok());
  for (int round = 0; round < 3; ++round) {
    subject.connect();
    subject.bus->disconnect(0);
  }
  subject.bus->disconnect(1000);  // of nothing: nothing happens
  CHECK(subject.log.events().size() == events + 3);
  CHECK(subject.log.count<mqtt::Disconnected>() == 0);
}

// Each subcase runs on a rig of its own.
inline void message_bus_contract(BusRig& rig) {
  BusPeer subject, observer;
  mqtt::BusOptions options = bus_options("subject");
  options.has_will = true;
  options.will = {"state/subject", BusLog::to_bytes("gone"), true, {{"kind", "will"}}};
  subject.bus = rig.make_subject(options, subject.log.listener());
  observer.bus = rig.make_observer(bus_options("observer"), observer.log.listener());

  SUBCASE("nothing is published or subscribed before Connected, and connect() is refused after it") {
    CHECK(!subject.bus->publish(1, {"a", {}, false, {}}).ok());
    CHECK(!subject.bus->subscribe("a").ok());
    subject.connect();
    CHECK(subject.log.all<mqtt::Connected>().front().receive_maximum > 0);
    REQUIRE(!subject.bus->connect().ok());
    CHECK(subject.bus->connect().error().code == Errc::usage);
  }
  SUBCASE("a broker that is not there gives ConnectFailed with a reason, and connect() may be tried again") {
    rig.stop_broker();
    for (size_t i = 1; i <= 3; ++i) {
      REQUIRE(subject.bus->connect().ok());
      REQUIRE(subject.log.wait_for_count<mqtt::ConnectFailed>(i));
      CHECK(!subject.log.all<mqtt::ConnectFailed>().back().reason.empty());
    }
    rig.start_broker();
    subject.connect();
  }
  SUBCASE("a bus may be destroyed while it connects") {
    REQUIRE(subject.bus->connect().ok());
    subject.bus.reset();
  }
  SUBCASE("a bus may be destroyed with publishes under way") {
    subject.connect();
    for (int i = 0; i < 10; ++i) subject.publish("a", std::string(100'000, 'x'));
    subject.bus.reset();
    const size_t events = subject.log.events().size();
    observer.connect();
    CHECK(subject.log.events().size() == events);
  }
  SUBCASE("messages arrive with topic, payload and user properties unchanged") {
    subject.connect();
    observer.connect();
    check_messages_arrive_unchanged(subject, observer);
  }
  SUBCASE("retained messages come to later subscribers, until an empty one removes them") {
    subject.connect();
    check_retained(rig, subject);
  }
  SUBCASE("the Will is published when the connection breaks, not after an orderly disconnect") {
    subject.connect();
    observer.connect();
    check_will(rig, subject, observer);
  }
  SUBCASE("2000 messages keep their order with a window of 20") {
    subject.connect();
    observer.connect();
    check_order(subject, observer);
  }
  SUBCASE("after the loss of the broker nothing is confirmed; reconnecting and subscribing again works") {
    subject.connect();
    check_broker_loss(rig, subject);
  }
  SUBCASE("two publishes with the same token are confirmed twice") {
    subject.connect();
    REQUIRE(subject.bus->publish(7, {"a", BusLog::to_bytes("1"), false, {}}).ok());
    REQUIRE(subject.bus->publish(7, {"a", BusLog::to_bytes("2"), false, {}}).ok());
    REQUIRE(subject.log.wait_for_count<mqtt::Published>(2));
    for (const auto& published : subject.log.all<mqtt::Published>()) CHECK(published.token == 7);
    CHECK(subject.published_ok() == 2);
  }
  SUBCASE("no event comes after disconnect()") {
    subject.connect();
    check_silence_after_disconnect(subject);
  }
}

}  // namespace joulespool::test
