#include "cloud-bridge/app/broker_link.h"

#include <algorithm>
#include <limits>

namespace joulespool::bridge {

BrokerLink::BrokerLink(std::unique_ptr<mqtt::MessageBus> bus, std::vector<std::string> filters, const LinkTiming& timing,
                       uint64_t seed)
    : bus_(std::move(bus)), filters_(std::move(filters)), timing_(timing), random_(seed) {}

void BrokerLink::turn(int64_t now_ns) {
  if (now_ns < next_due_ns()) return;
  if (state_ == State::connected) {  // with a defect: end it, and connect when its last events have come through
    bus_->disconnect(1000);
    retry_later(now_ns);
    retry_at_ns_ = now_ns + timing_.settle_ns;
    return;
  }
  state_ = State::connecting;
  if (bus_->connect()) return;
  bus_->disconnect(0);  // whatever it thinks it is doing, next time it begins anew
  retry_later(now_ns);
}

int64_t BrokerLink::next_due_ns() const {
  const bool due = state_ == State::waiting || (state_ == State::connected && !defect_.empty());
  return due ? retry_at_ns_ : std::numeric_limits<int64_t>::max();
}

void BrokerLink::retry_later(int64_t now_ns) {
  state_ = State::waiting;
  in_flight_.clear();
  defect_.clear();
  ++failures_;
  const BackoffLimits first{timing_.first_retry_ns, timing_.first_retry_ns};
  const bool is_first = failures_ == 1;
  retry_at_ns_ = now_ns + backoff_ns(is_first ? first : timing_.retry, is_first ? 1 : failures_ - 1, random_);
}

void BrokerLink::on_connected(const mqtt::Connected& event, int64_t now_ns) {
  if (state_ != State::connecting) return;
  state_ = State::connected;
  connected_at_ns_ = now_ns;
  ++connections_;
  window_ = std::clamp<size_t>(event.receive_maximum, 1, mqtt::publish_window_max);
  for (const std::string& filter : filters_)
    if (const Status status = bus_->subscribe(filter); !status) on_subscribe_failed({filter, status.error().message}, now_ns);
}

void BrokerLink::on_connect_failed(int64_t now_ns) {
  if (state_ == State::connecting) retry_later(now_ns);
}

void BrokerLink::on_disconnected(int64_t now_ns) {
  if (state_ != State::connected && state_ != State::connecting) return;
  if (state_ == State::connected && now_ns - connected_at_ns_ >= timing_.stable_ns) failures_ = 0;
  retry_later(now_ns);
}

void BrokerLink::on_subscribe_failed(const mqtt::SubscribeFailed& event, int64_t now_ns) {
  if (state_ != State::connected || !defect_.empty()) return;
  defect_ = "broker refused subscription to " + event.filter + ": " + event.reason;
  retry_at_ns_ = now_ns + timing_.subscribe_retry_ns;
}

bool BrokerLink::on_published(const mqtt::Published& event) { return in_flight_.erase(event.token) > 0; }

uint64_t BrokerLink::publish(const mqtt::Message& message) {
  const uint64_t token = ++last_token_;
  if (!bus_->publish(token, message)) return 0;
  in_flight_.insert(token);
  return token;
}

void BrokerLink::close(int timeout_ms) {
  if (connected()) bus_->disconnect(timeout_ms);
  state_ = State::closed;
}

}  // namespace joulespool::bridge
