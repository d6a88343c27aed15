// A bridge as the uplink sees one: keeps the order rule, "stores" at once, acks, says its state. Its frames are those of
// MemorySpool (their seq as text), all of one device and of epoch 1, unless it is told how to know them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/bounded_queue.h"
#include "agent/base/clock.h"
#include "agent/uplink/uplink.h"
#include "agent/wire/topics.h"
#include "tests/support/bus_log.h"

namespace joulespool::test {

class TestBridge {
 public:
  struct Arrived {
    std::string topic;
    wire::Lane lane;
    uint64_t seq, previous;
  };

  using Identify = std::function<wire::FrameId(wire::Lane lane, const wire::Bytes& payload)>;

  TestBridge(const uplink::BusFactory& make_bus, std::string host, std::string device)
      : TestBridge(make_bus, std::move(host), [device = std::move(device)](wire::Lane lane, const wire::Bytes& payload) {
          return wire::FrameId{{device, 1, lane}, std::stoull(BusLog::to_text(payload))};
        }) {}
  TestBridge(const uplink::BusFactory& make_bus, std::string host, Identify identify)
      : host_(std::move(host)), identify_(std::move(identify)) {
    auto bus = make_bus([this](mqtt::BusEvent event) { static_cast<void>(inputs_.push(std::move(event), 0)); });
    bus_ = std::move(bus).value();
    static_cast<void>(bus_->connect());
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
  ~TestBridge() {
    thread_.request_stop();
    thread_.join();
    bus_.reset();
  }
  TestBridge(const TestBridge&) = delete;
  TestBridge& operator=(const TestBridge&) = delete;

  void set_accepting(bool on) {
    change([&] { accepting_ = on; });
  }
  void set_acking(bool on) { acking_ = on; }
  void set_rejected(uint64_t seq) { rejected_seq_ = seq; }
  // As another process: nothing of before is known.
  void restart() {
    change([&] {
      ++instance_;
      highest_.clear();
    });
  }
  void publish_raw(const std::string& topic, std::string_view text) {
    const std::lock_guard lock(mutex_);
    to_publish_.push_back({topic, BusLog::to_bytes(text), false, {}});
  }

  std::vector<Arrived> arrived() const {
    const std::lock_guard lock(mutex_);
    return arrived_;
  }
  // Waits until the seqs 1..last of a lane were stored; false after 20 s.
  bool wait_for_stored(wire::Lane lane, uint64_t last) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return first_copies(lane).size() >= last; });
  }
  bool wait_for_arrived(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return arrived_.size() >= count; });
  }
  // The accepted frames of a lane in the order of their first copies.
  std::vector<uint64_t> stored(wire::Lane lane) const {
    const std::lock_guard lock(mutex_);
    return first_copies(lane);
  }

 private:
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    state_changed_ = true;
  }
  std::vector<uint64_t> first_copies(wire::Lane lane) const {
    const auto found = stored_.find(lane);
    return found == stored_.end() ? std::vector<uint64_t>{} : found->second;
  }

  void work(const std::stop_token& stop) {
    constexpr int64_t look_ns = 5 * ns_per_ms;
    while (!stop.stop_requested()) {
      if (auto event = inputs_.pop_until(clock_.monotonic_ns() + look_ns))
        std::visit([this](auto& what) { happened(what); }, *event);
      const std::lock_guard lock(mutex_);
      if (!connected_) continue;
      if (!subscribed_) subscribed_ = bus_->subscribe(wire::data_topic_filter(wire::part_of(host_))).ok();
      if (subscribed_ && std::exchange(state_changed_, false)) say_state();
      publish_waiting();
    }
  }
  void happened(const mqtt::Connected&) {
    const std::lock_guard lock(mutex_);
    connected_ = state_changed_ = true;
    subscribed_ = false;
    under_way_ = 0;
    to_publish_.clear();
  }
  void happened(const mqtt::Disconnected&) { connect_again(); }
  void happened(const mqtt::ConnectFailed&) { connect_again(); }
  void happened(const mqtt::Published&) { --under_way_; }
  void happened(const mqtt::SubscribeFailed&) { subscribed_ = false; }
  void happened(const mqtt::Received& received) {
    const auto topic = wire::parse_data_topic(received.message.topic);
    if (!topic) return;
    const std::lock_guard lock(mutex_);
    const wire::FrameId id = identify_(topic->lane, received.message.payload);
    const uint64_t previous = std::stoull(received.message.user_properties.at(0).second);
    arrived_.push_back({received.message.topic, topic->lane, id.seq, previous});
    take(id, previous);
    changed_.notify_all();
  }
  void take(const wire::FrameId& id, uint64_t previous) {
    if (!accepting_) return;
    const uint64_t seq = id.seq;
    uint64_t& highest = highest_[id.sequence];
    if (seq > highest && previous > highest) return;
    wire::AckEntry ack{id.sequence, {}, {}};
    if (seq == rejected_seq_) ack.rejected.push_back({seq, "no good"});
    else ack.stored.push_back({seq, seq});
    highest = std::max(highest, seq);
    auto& stored = stored_[id.sequence.lane];
    if (std::find(stored.begin(), stored.end(), seq) == stored.end()) stored.push_back(seq);
    if (acking_) publish({wire::ack_topic(host_), wire::write_ack({ack}), false, {}});
  }
  void connect_again() {
    connected_ = false;
    static_cast<void>(bus_->connect());
  }
  void publish(const mqtt::Message& message) { to_publish_.push_back(message); }
  // What a connection that broke left behind may still be in the way: then it waits.
  void publish_waiting() {
    while (!to_publish_.empty() && under_way_ < mqtt::publish_window_max && bus_->publish(++token_, to_publish_.front())) {
      to_publish_.pop_front();
      ++under_way_;
    }
  }
  void say_state() {
    wire::BridgeState state;
    state.online = true;
    state.accepting = accepting_;
    state.instance = std::to_string(instance_);
    state.parts = {{0, 63}};
    publish({wire::bridge_state_topic("one"), BusLog::to_bytes(wire::write_bridge_state(state)), true, {}});
  }

  const std::string host_;
  const Identify identify_;
  SystemClock clock_;
  BoundedQueue<mqtt::BusEvent> inputs_{1};
  std::unique_ptr<mqtt::MessageBus> bus_;
  bool connected_ = false, subscribed_ = false;
  unsigned under_way_ = 0;  // publishes without an answer
  uint64_t token_ = 0;
  std::atomic<bool> acking_ = true;
  std::atomic<uint64_t> rejected_seq_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool state_changed_ = false, accepting_ = true;
  uint64_t instance_ = 1;
  std::deque<mqtt::Message> to_publish_;
  std::map<wire::FrameSequence, uint64_t> highest_;
  std::map<wire::Lane, std::vector<uint64_t>> stored_;
  std::vector<Arrived> arrived_;
  std::jthread thread_;
};

}  // namespace joulespool::test
