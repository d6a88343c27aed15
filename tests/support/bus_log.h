// Collects what a MessageBus says, so that a test can wait for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "agent/mqtt/message_bus.h"

namespace joulespool::test {

// Thread-safe. Listeners stay valid after the log is gone.
class BusLog {
 public:
  mqtt::BusListener listener() {
    return [state = state_](mqtt::BusEvent event) {
      {
        const std::lock_guard lock(state->mutex);
        state->events.push_back(std::move(event));
      }
      state->changed.notify_all();
    };
  }

  // Waits until `condition(events)` holds. False after `deadline`.
  template <class Condition>
  bool wait_for(Condition condition, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, deadline, [&] { return condition(std::as_const(state_->events)); });
  }
  // Waits until there are at least `count` events of kind T.
  template <class T>
  bool wait_for_count(size_t count) {
    return wait_for([&](const auto& events) { return select<T>(events).size() >= count; });
  }
  template <class T>
  std::vector<T> all() const {
    const std::lock_guard lock(state_->mutex);
    return select<T>(state_->events);
  }
  template <class T>
  size_t count() const {
    return all<T>().size();
  }
  std::vector<mqtt::BusEvent> events() const {
    const std::lock_guard lock(state_->mutex);
    return state_->events;
  }
  // Payloads of the messages of one topic, as text.
  std::vector<std::string> payloads(const std::string& topic) const {
    std::vector<std::string> found;
    for (const auto& received : all<mqtt::Received>())
      if (received.message.topic == topic) found.push_back(to_text(received.message.payload));
    return found;
  }
  bool wait_for_payload(const std::string& topic, const std::string& payload) {
    return wait_for([&](const auto& events) {
      for (const auto& received : select<mqtt::Received>(events))
        if (received.message.topic == topic && to_text(received.message.payload) == payload) return true;
      return false;
    });
  }

  static std::string to_text(const wire::Bytes& bytes) {
    std::string text;
    for (const std::byte b : bytes) text.push_back(static_cast<char>(b));
    return text;
  }
  static wire::Bytes to_bytes(std::string_view text) {
    wire::Bytes bytes;
    for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
    return bytes;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<mqtt::BusEvent> events;
  };
  template <class T>
  static std::vector<T> select(const std::vector<mqtt::BusEvent>& events) {
    std::vector<T> found;
    for (const auto& event : events)
      if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
    return found;
  }
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace joulespool::test
