// The part of a MessageBus that owner and library threads share: which connection is the present one, what is under way in
// it, and the way to the listener. Knows no MQTT library.
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "agent/mqtt/message_bus.h"

namespace joulespool::mqtt {

// Publishes and subscriptions under way. Twice the publish window and some: a caller that keeps its promise never meets it.
constexpr size_t operations_max = 2 * publish_window_max + 24;

// One publish (filter empty) or subscription under way.
struct Operation {
  uint64_t token = 0;
  std::string filter;
};

// Thread-safe. Passes events on, one at a time, as long as they are of the present connection. Operations have numbers that
// never repeat; those of a connection that broke stay known as leftovers until the library is done with them.
class Link {
 public:
  explicit Link(BusListener listener) : listener_(std::move(listener)) {}

  // The number of the new connection; nothing if there is one already.
  std::optional<uint64_t> open() {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::idle) return std::nullopt;
    phase_ = Phase::connecting;
    return ++connection_;
  }
  struct Begun {
    uint64_t connection;
    uint64_t operation;
  };
  Result<Begun> begin(Operation operation) {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::connected) return Error{Errc::unreachable, "not connected"};
    if (operations_.size() + leftovers_.size() >= operations_max) return Error{Errc::full, "too many publishes under way"};
    operations_.emplace(++operation_, std::move(operation));
    return Begun{connection_, operation_};
  }
  // The present connection, if there is one or it is being made.
  std::optional<uint64_t> present() {
    const std::lock_guard lock(mutex_);
    return phase_ == Phase::idle ? std::nullopt : std::optional(connection_);
  }
  [[nodiscard]] bool is_connected(uint64_t connection) {
    const std::lock_guard lock(mutex_);
    return connection == connection_ && phase_ == Phase::connected;
  }

  void connected(uint64_t connection, uint16_t receive_maximum) {
    const std::lock_guard lock(mutex_);
    if (connection != connection_ || phase_ != Phase::connecting) return;
    phase_ = Phase::connected;
    listener_(Connected{receive_maximum});
  }
  // The connection is over: ConnectFailed or Disconnected, by how far it had come.
  void over(uint64_t connection, const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (connection != connection_ || phase_ == Phase::idle) return;
    const bool was_connected = phase_ == Phase::connected;
    forget();
    if (was_connected) listener_(Disconnected{reason});
    else listener_(ConnectFailed{reason});
  }
  void completed(uint64_t operation, Status result) {
    const std::lock_guard lock(mutex_);
    leftovers_.erase(operation);
    const auto ended = operations_.extract(operation);
    if (!ended) return;
    changed_.notify_all();
    if (ended.mapped().filter.empty()) listener_(Published{ended.mapped().token, std::move(result)});
    else if (!result) listener_(SubscribeFailed{ended.mapped().filter, result.error().message});
  }
  // Ended without an outcome, with its connection.
  void dropped(uint64_t operation) {
    const std::lock_guard lock(mutex_);
    leftovers_.erase(operation);
    operations_.erase(operation);
    changed_.notify_all();
  }
  void received(uint64_t connection, Message message) {
    const std::lock_guard lock(mutex_);
    if (connection == connection_ && phase_ == Phase::connected) listener_(Received{std::move(message)});
  }
  // No event of this connection comes after.
  void silence(uint64_t connection) {
    const std::lock_guard lock(mutex_);
    if (connection == connection_) forget();
  }

  [[nodiscard]] bool has_leftovers() {
    const std::lock_guard lock(mutex_);
    return !leftovers_.empty();
  }
  void forget_leftovers() {
    const std::lock_guard lock(mutex_);
    leftovers_.clear();
  }

  void wait_until_idle(uint64_t connection, int64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, at(deadline_ns), [&] { return connection != connection_ || operations_.empty(); });
  }
  void close_done(uint64_t connection) {
    {
      const std::lock_guard lock(mutex_);
      closed_ = connection;
    }
    changed_.notify_all();
  }
  void wait_until_closed(uint64_t connection, int64_t deadline_ns) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, at(deadline_ns), [&] { return closed_ >= connection; });
  }

 private:
  enum class Phase { idle, connecting, connected };

  static std::chrono::steady_clock::time_point at(int64_t ns) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
  }
  void forget() {
    ++connection_;  // whatever still comes of it has an old number now
    phase_ = Phase::idle;
    leftovers_.merge(operations_);
    changed_.notify_all();
  }

  const BusListener listener_;  // called with mutex_ held: it must not call back
  std::mutex mutex_;
  std::condition_variable changed_;
  Phase phase_ = Phase::idle;
  uint64_t connection_ = 0, operation_ = 0, closed_ = 0;
  std::map<uint64_t, Operation> operations_, leftovers_;
};

}  // namespace joulespool::mqtt
