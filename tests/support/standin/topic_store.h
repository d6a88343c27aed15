// Retained values and subscriptions, and the one memory that every callback sees. Used by the frontend's thread only.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/standin/topic_value.h"

namespace joulespool::standin {

struct Subscription {
  std::string topic;
  uint8_t flags = 0;
  abi::OnValue function = nullptr;
  void* user_data = nullptr;
};

// What callbacks get a pointer into: reused for the next one, and spoilt as soon as a callback has returned.
class CallbackMemory {
 public:
  void show(const std::string& topic, const TopicValue& value);
  void spoil();
  [[nodiscard]] const char* topic() const { return topic_.data(); }
  [[nodiscard]] const abi::Value* value() const { return &value_; }

 private:
  std::array<char, topic_bytes_max> topic_{};
  abi::Value value_;
  size_t used_ = 0;
  alignas(16) std::array<std::byte, sizeof(abi::StreamSignal)> body_{};
};

class TopicStore {
 public:
  // Calls everybody who subscribed to publications of the topic.
  void publish(const std::string& topic, const TopicValue& value);
  // Keeps the value. False: it was there already, the same.
  bool retain(const std::string& topic, const TopicValue& value);
  [[nodiscard]] const TopicValue* retained(const std::string& topic) const;

  // A new subscriber gets what is retained; `present` (prefixes) as if it were retained under @/!add.
  void subscribe(const Subscription& subscription, const std::vector<std::string>& present);
  bool unsubscribe(const Subscription& subscription);  // false: there is none

 private:
  void call(const Subscription& subscription, const std::string& topic, const TopicValue& value);

  std::map<std::string, TopicValue> retained_;
  std::vector<Subscription> subscriptions_;
  std::unique_ptr<CallbackMemory> memory_ = std::make_unique<CallbackMemory>();
};

}  // namespace joulespool::standin
