// The bridge's connection to the broker: connects again by itself, subscribes, keeps the publish window.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "agent/base/backoff.h"
#include "agent/base/clock.h"
#include "agent/mqtt/message_bus.h"

namespace joulespool::bridge {

struct LinkTiming {
  int64_t first_retry_ns = 200 * ns_per_ms;             // at most, after a connection that held
  BackoffLimits retry = {1 * ns_per_s, 30 * ns_per_s};  // after that
  int64_t stable_ns = 10 * ns_per_s;  // a connection that held that long was a good one: the next loss is a first one again
  int64_t subscribe_retry_ns = 30 * ns_per_s;  // after the broker refused a subscription
  int64_t settle_ns = 1 * ns_per_s;            // from our own disconnect to the next connect
};

// One thread, the bus' owner. Events come in through the on_...() members in the order in which the bus gave them.
class BrokerLink {
 public:
  BrokerLink(std::unique_ptr<mqtt::MessageBus> bus, std::vector<std::string> filters, const LinkTiming& timing, uint64_t seed);

  // Connects when it is time to.
  void turn(int64_t now_ns);
  // When turn() has something to do, if no event comes before that.
  [[nodiscard]] int64_t next_due_ns() const;

  // Subscribes to all filters; whatever is published afterwards comes to the broker after them.
  void on_connected(const mqtt::Connected& event, int64_t now_ns);
  void on_connect_failed(int64_t now_ns);
  void on_disconnected(int64_t now_ns);
  void on_subscribe_failed(const mqtt::SubscribeFailed& event, int64_t now_ns);
  // False: a publish of an earlier connection.
  bool on_published(const mqtt::Published& event);

  [[nodiscard]] bool connected() const { return state_ == State::connected; }
  [[nodiscard]] uint64_t connections() const { return connections_; }
  // Why the connection is of no use though it stands (a subscription was refused); empty: all well.
  [[nodiscard]] const std::string& defect() const { return defect_; }
  [[nodiscard]] bool can_publish() const { return connected() && in_flight_.size() < window_; }
  [[nodiscard]] size_t in_flight() const { return in_flight_.size(); }
  // The token, or 0: refused at once. Only while can_publish().
  uint64_t publish(const mqtt::Message& message);
  // An orderly end; no more events matter.
  void close(int timeout_ms);

 private:
  enum class State { waiting, connecting, connected, closed };
  void retry_later(int64_t now_ns);

  std::unique_ptr<mqtt::MessageBus> bus_;
  std::vector<std::string> filters_;
  LinkTiming timing_;
  std::mt19937_64 random_;
  State state_ = State::waiting;
  int64_t retry_at_ns_ = 0;
  int64_t connected_at_ns_ = 0;
  unsigned failures_ = 0;  // in a row
  uint64_t connections_ = 0;
  std::string defect_;
  std::set<uint64_t> in_flight_;
  size_t window_ = 0;
  uint64_t last_token_ = 0;  // never repeated, so that events of an earlier connection are recognised
};

}  // namespace joulespool::bridge
