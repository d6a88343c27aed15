// The running bridge: MQTT in, Kinesis out, acks back.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/bounded_queue.h"
#include "agent/mqtt/message_bus.h"
#include "agent/wire/bridge_state.h"
#include "cloud-bridge/app/acceptance.h"
#include "cloud-bridge/app/bridge_stats.h"
#include "cloud-bridge/app/broker_link.h"
#include "cloud-bridge/app/log_pacer.h"
#include "cloud-bridge/app/pipeline.h"
#include "cloud-bridge/app/put_workers.h"

namespace joulespool::bridge {

struct BridgeTiming {
  LinkTiming link;
  int64_t state_interval_ns = 2 * ns_per_s;  // the retained state, when nothing but numbers changed
  int64_t log_interval_ns = 30 * ns_per_s;   // numbers in the log
  int64_t drain_ns = 10 * ns_per_s;          // on stop: for frames that are held, their acks and the last state
  int disconnect_timeout_ms = 2000;
};

struct BridgeSetup {
  std::string id;        // of this bridge, for its state topic
  mqtt::BusOptions bus;  // the Will is set by the bridge
  PipelineSettings pipeline;
  size_t inbox_bytes = 16 * 1024 * 1024;  // messages that came and are not looked at yet; at least one frame of the largest
  size_t workers = 3;
  BridgeTiming timing;
};

using BusFactory = std::function<Result<std::unique_ptr<mqtt::MessageBus>>(const mqtt::BusOptions&, mqtt::BusListener)>;
using SinkFactory = std::function<Result<std::unique_ptr<sink::RecordSink>>()>;

// Threads: run()'s own, which owns everything; the bus', which only fills the inbox; the workers', which only wait for Kinesis.
//
// What an agent must learn: which frames did not come through. `instance` in the state is "<random>-<connection>", a new one for
// each connection to the broker, because what the broker had for the connection before is lost; an agent that sees another
// instance sends again from its first unacknowledged frame. The state of a new connection is published after all subscriptions,
// first as not accepting; accepting follows when the broker has confirmed that one, so that no frame is sent before the broker
// has the subscriptions. Whatever else is lost (a full inbox, a lost ack) the agent's ack timeout finds.
class Bridge {
 public:
  // `clock` must be one whose monotonic time is the system's: the bridge waits by it. `seed`: of backoff and instance.
  Bridge(BridgeSetup setup, BusFactory make_bus, SinkFactory make_sink, Clock& clock, uint64_t seed);

  // Runs until `stop`; then finishes what is under way (at most drain_ns plus the sinks' timeout), publishes that it is
  // offline and disconnects. Error: a bus or sink could not be made. Only once.
  Status run(const std::stop_token& stop);

  // Any thread; as of the last turn of the loop.
  [[nodiscard]] BridgeStats stats() const;

 private:
  struct Wake {};
  using Input = std::variant<Wake, mqtt::BusEvent, PutResult>;

  Status open();
  void on_bus_event(mqtt::BusEvent&& event);  // threads of the bus
  void loop(const std::stop_token& stop);
  void say_goodbye();

  void handle(Input&& input);
  void handle_bus(mqtt::BusEvent&& event);
  void handle_message(mqtt::Message&& message);
  void handle_put(PutResult&& result);
  void handle_published(const mqtt::Published& published);
  void forget_published_state();

  void start_requests();
  void update_acceptance();
  void publish_state();
  void publish_acks();
  void update_stats();
  void log_stats(const BridgeStats& stats);
  [[nodiscard]] int64_t next_due_ns() const;
  [[nodiscard]] bool drained() const;
  [[nodiscard]] std::string refusal() const;
  [[nodiscard]] std::string instance() const;
  [[nodiscard]] wire::BridgeState make_state(bool online, const std::string& reason) const;
  [[nodiscard]] mqtt::Message make_state_message(const wire::BridgeState& state) const;
  [[nodiscard]] int64_t now() const { return clock_.monotonic_ns(); }

  const BridgeSetup setup_;
  const BusFactory make_bus_;
  const SinkFactory make_sink_;
  Clock& clock_;
  const uint64_t seed_;
  const std::string instance_;  // without the connection's number

  BoundedQueue<Input> inbox_;  // only messages have weight
  std::atomic<uint64_t> refused_by_inbox_{0};
  Pipeline pipeline_;
  Acceptance acceptance_;
  std::unique_ptr<BrokerLink> link_;
  std::unique_ptr<PutWorkers> workers_;
  LogPacer log_pacer_;
  BridgeStats counters_;               // of this class only; the pipeline has its own
  std::optional<int64_t> stop_at_ns_;  // set: stopping, and until when at most

  bool confirmed_ = false;     // the broker has a state of this connection, so it has the subscriptions too
  uint64_t state_token_ = 0;   // of the state under way
  std::string published_key_;  // what of the last state must be told at once when it changes
  int64_t next_state_ns_ = 0;
  int64_t state_retry_ns_ = 0;  // after a refusal: not before that, whatever changes
  int64_t next_log_ns_ = 0;

  mutable std::mutex stats_mutex_;
  BridgeStats stats_;
};

}  // namespace joulespool::bridge
