// A bridge between an MQTT broker and a Kinesis in memory, and an agent that speaks to it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/wire/ack.h"
#include "agent/wire/bridge_state.h"
#include "agent/wire/topics.h"
#include "cloud-bridge/app/bridge.h"
#include "tests/cloud-bridge/app/scripted_kinesis.h"
#include "tests/support/fake_bus.h"

namespace joulespool::test {

inline wire::Bytes make_frame(const std::string& host, const std::string& device, wire::Lane lane, uint64_t seq,
                              size_t payload = 40) {
  wire::FrameHeader header;
  header.host = host;
  header.device = {device, "js220", "001122"};
  header.lane = lane;
  header.epoch = 77;
  header.seq = seq;
  header.codec = 1;
  header.axis = {5, 2'000'000, 2};
  header.sample_id_first = seq * 2000;
  header.sample_id_end = seq * 2000 + 2000;
  return wire::write_frame(header, wire::Bytes(payload, static_cast<std::byte>(seq)));
}

// Publishes frames and hears acks and states. The test's thread owns it.
class TestAgent {
 public:
  TestAgent(FakeBroker& broker, std::string host) : host_(std::move(host)) {
    mqtt::BusOptions options;
    options.client_id = "agent-" + host_;
    bus_ = broker.make_bus(options, [heard = heard_](mqtt::BusEvent event) { heard->take(std::move(event)); });
    connect();
  }

  void connect() {
    const size_t before = heard_->count([](const Heard& heard) { return heard.connections; });
    REQUIRE(bus_->connect().ok());
    REQUIRE(heard_->wait([&](const Heard& heard) { return heard.connections > before; }));
    REQUIRE(bus_->subscribe(wire::ack_topic(host_)).ok());
    REQUIRE(bus_->subscribe(std::string(wire::bridge_state_filter)).ok());
  }

  void send(uint64_t seq, uint64_t prev, const std::string& device = "js220-001122", wire::Lane lane = wire::Lane::stat,
            size_t payload = 40) {
    send_raw(wire::data_topic(host_, lane), make_frame(host_, device, lane, seq, payload), std::to_string(prev));
  }
  void send_raw(const std::string& topic, wire::Bytes payload, const std::string& prev) {
    mqtt::Message message{topic, std::move(payload), false, {{std::string(wire::previous_property), prev}}};
    (void)bus_->publish(++token_, message);
  }
  // first..last in order, as sent by an agent that holds all of them.
  void send_all(uint64_t first, uint64_t last, const std::string& device = "js220-001122", size_t payload = 40) {
    for (uint64_t seq = first; seq <= last; ++seq) send(seq, seq == first ? 0 : seq - 1, device, wire::Lane::stat, payload);
  }

  bool wait_acked(uint64_t first, uint64_t last, const std::string& device = "js220-001122") {
    return heard_->wait([&](const Heard& heard) {
      const auto acked = heard.acked.find({device, 77, wire::Lane::stat});
      if (acked == heard.acked.end()) return false;
      for (uint64_t seq = first; seq <= last; ++seq)
        if (!acked->second.contains(seq)) return false;
      return true;
    });
  }
  // Until there are more acknowledged frames than `count`, or a while has passed.
  void wait_any_ack(size_t count) {
    std::unique_lock lock(heard_->mutex);
    heard_->changed.wait_for(lock, std::chrono::milliseconds(100), [&] {
      return heard_->acked[{"js220-001122", 77, wire::Lane::stat}].size() > count;
    });
  }
  template <class Condition>
  bool wait_state(Condition condition) {
    return heard_->wait([&](const Heard& heard) { return !heard.states.empty() && condition(heard.states.back()); });
  }
  bool wait_accepting() {
    return wait_state([](const wire::BridgeState& state) { return state.online && state.accepting; });
  }

  std::vector<wire::BridgeState> states() const {
    const std::lock_guard lock(heard_->mutex);
    return heard_->states;
  }
  std::set<uint64_t> acked(const std::string& device = "js220-001122") const {
    const std::lock_guard lock(heard_->mutex);
    return heard_->acked[{device, 77, wire::Lane::stat}];
  }
  size_t ack_messages() const {
    return heard_->count([](const Heard& heard) { return heard.ack_messages; });
  }
  void forget_acks() {
    const std::lock_guard lock(heard_->mutex);
    heard_->acked.clear();
  }

 private:
  struct Heard {
    mutable std::mutex mutex;
    std::condition_variable changed;
    size_t connections = 0;
    size_t ack_messages = 0;
    std::vector<wire::BridgeState> states;
    std::map<wire::FrameSequence, std::set<uint64_t>> acked;

    void take(mqtt::BusEvent&& event) {
      const std::lock_guard lock(mutex);
      if (std::holds_alternative<mqtt::Connected>(event)) ++connections;
      if (const auto* received = std::get_if<mqtt::Received>(&event)) take(received->message);
      changed.notify_all();
    }
    void take(const mqtt::Message& message) {
      if (wire::parse_bridge_state_topic(message.topic)) {
        const std::string json(reinterpret_cast<const char*>(message.payload.data()), message.payload.size());
        const auto state = wire::read_bridge_state(json);
        if (state) states.push_back(*state);
        return;
      }
      const auto entries = wire::read_ack(message.payload);
      if (!entries) return;
      ++ack_messages;
      for (const wire::AckEntry& entry : *entries)
        for (const wire::SeqRange& range : entry.stored)
          for (uint64_t seq = range.first; seq <= range.last; ++seq) acked[entry.sequence].insert(seq);
    }
    template <class Condition>
    bool wait(Condition condition) {
      std::unique_lock lock(mutex);
      return changed.wait_for(lock, std::chrono::seconds(20), [&] { return condition(std::as_const(*this)); });
    }
    template <class Of>
    size_t count(Of of) const {
      const std::lock_guard lock(mutex);
      return of(*this);
    }
  };

  std::string host_;
  std::shared_ptr<Heard> heard_ = std::make_shared<Heard>();
  std::unique_ptr<mqtt::MessageBus> bus_;
  uint64_t token_ = 0;
};

inline bridge::BridgeSetup fast_setup() {
  bridge::BridgeSetup setup;
  setup.id = "bridge-1";
  setup.bus.client_id = "bridge-1";
  setup.pipeline.parts.set();
  setup.pipeline.batch.key_backoff = {1 * ns_per_ms, 20 * ns_per_ms};
  setup.pipeline.batch.endpoint_backoff = {1 * ns_per_ms, 20 * ns_per_ms};
  setup.timing.link.first_retry_ns = 5 * ns_per_ms;
  setup.timing.link.retry = {10 * ns_per_ms, 50 * ns_per_ms};
  setup.timing.state_interval_ns = 20 * ns_per_ms;
  setup.timing.drain_ns = 10 * ns_per_s;
  return setup;
}

class Rig {
 public:
  explicit Rig(bridge::BridgeSetup setup = fast_setup(), uint64_t seed = 42)
      : bridge_(
            std::move(setup),
            [this](const mqtt::BusOptions& options, mqtt::BusListener listener) -> Result<std::unique_ptr<mqtt::MessageBus>> {
              return broker.make_bus(options, std::move(listener));
            },
            [this]() -> Result<std::unique_ptr<sink::RecordSink>> { return kinesis.make_sink(); }, clock_, seed) {}
  ~Rig() {
    kinesis.open_gate();
    (void)stop();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  void start() {
    thread_ = std::thread([this] { result_ = bridge_.run(stop_.get_token()); });
  }
  void request_stop() { stop_.request_stop(); }
  // Waits for the end of run().
  Status stop() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
    return result_;
  }
  bridge::BridgeStats stats() const { return bridge_.stats(); }

  // Seqs of one device and lane in the order in which they were stored.
  std::vector<uint64_t> stored(const std::string& device = "js220-001122", wire::Lane lane = wire::Lane::stat) const {
    std::vector<uint64_t> seqs;
    for (const Put& put : kinesis.stored()) {
      const auto read = wire::read_frame(put.data);
      REQUIRE(std::holds_alternative<wire::Frame>(read));
      const wire::FrameHeader& header = std::get<wire::Frame>(read).header;
      REQUIRE(put.partition_key == header.device.id);
      if (header.device.id == device && header.lane == lane) seqs.push_back(header.seq);
    }
    return seqs;
  }
  // The same without repetitions.
  std::vector<uint64_t> first_stored(const std::string& device = "js220-001122", wire::Lane lane = wire::Lane::stat) const {
    std::vector<uint64_t> seqs;
    for (const uint64_t seq : stored(device, lane))
      if (std::find(seqs.begin(), seqs.end(), seq) == seqs.end()) seqs.push_back(seq);
    return seqs;
  }

  FakeBroker broker;
  ScriptedKinesis kinesis;

 private:
  SystemClock clock_;
  bridge::Bridge bridge_;
  std::stop_source stop_;
  Status result_;
  std::thread thread_;
};

inline std::vector<uint64_t> numbers(uint64_t first, uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t number = first; number <= last; ++number) all.push_back(number);
  return all;
}

}  // namespace joulespool::test
