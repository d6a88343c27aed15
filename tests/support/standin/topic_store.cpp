#include "tests/support/standin/topic_store.h"

#include <algorithm>
#include <cstring>

namespace joulespool::standin {
namespace {

constexpr uint8_t garbage = 0xA5;

}  // namespace

void CallbackMemory::show(const std::string& topic, const TopicValue& value) {
  std::memcpy(topic_.data(), topic.c_str(), std::min(topic.size() + 1, topic_.size()));
  topic_.back() = '\0';
  value_ = value.head;
  used_ = std::min(value.body.size(), body_.size());
  if (used_ == 0) return;
  std::memcpy(body_.data(), value.body.data(), used_);
  value_.binary = reinterpret_cast<const uint8_t*>(body_.data());
}

void CallbackMemory::spoil() {
  std::memset(topic_.data(), '?', topic_.size() - 1);
  std::memset(body_.data(), garbage, used_);
  value_ = {};
}

void TopicStore::call(const Subscription& subscription, const std::string& topic, const TopicValue& value) {
  memory_->show(topic, value);
  subscription.function(subscription.user_data, memory_->topic(), memory_->value());
  memory_->spoil();
}

void TopicStore::publish(const std::string& topic, const TopicValue& value) {
  for (const Subscription& subscription : subscriptions_)
    if ((subscription.flags & abi::subscribe_published) != 0 && covers(subscription.topic, topic))
      call(subscription, topic, value);
}

bool TopicStore::retain(const std::string& topic, const TopicValue& value) {
  const auto found = retained_.find(topic);
  if (found != retained_.end() && found->second == value) return false;
  TopicValue kept = value;
  kept.head.flags |= flag_retain;
  retained_.insert_or_assign(topic, std::move(kept));
  return true;
}

const TopicValue* TopicStore::retained(const std::string& topic) const {
  const auto found = retained_.find(topic);
  return found == retained_.end() ? nullptr : &found->second;
}

void TopicStore::subscribe(const Subscription& subscription, const std::vector<std::string>& present) {
  subscriptions_.push_back(subscription);
  if ((subscription.flags & abi::subscribe_retained) == 0) return;
  for (const auto& [topic, value] : retained_)
    if (covers(subscription.topic, topic)) call(subscription, topic, value);
  if (covers(subscription.topic, "@/!add"))
    for (const std::string& prefix : present) call(subscription, "@/!add", TopicValue::text(prefix));
}

bool TopicStore::unsubscribe(const Subscription& subscription) {
  const auto same = [&](const Subscription& other) {
    return other.topic == subscription.topic && other.function == subscription.function &&
           other.user_data == subscription.user_data;
  };
  return std::erase_if(subscriptions_, same) != 0;
}

}  // namespace joulespool::standin
