#include "tests/support/standin/topic_value.h"

#include <cstring>

namespace joulespool::standin {
namespace {

bool has_body(abi::ValueType type) {
  return type == abi::ValueType::text || type == abi::ValueType::json || type == abi::ValueType::binary;
}

}  // namespace

TopicValue TopicValue::copy_of(const abi::Value& value) {
  TopicValue copy;
  copy.head = value;
  if (copy.is_text()) return text(value.text == nullptr ? "" : value.text);
  if (!has_body(value.type)) return copy;
  const auto* const first = reinterpret_cast<const std::byte*>(value.binary);
  copy.body.assign(first, first + value.size);
  return copy;
}

TopicValue TopicValue::number(uint32_t value) {
  TopicValue made;
  made.head.type = abi::ValueType::u32;
  made.head.u32 = value;
  return made;
}

TopicValue TopicValue::text(std::string_view text) {
  TopicValue made;
  made.head.type = abi::ValueType::text;
  made.body.resize(text.size() + 1);
  if (!text.empty()) std::memcpy(made.body.data(), text.data(), text.size());
  made.head.size = static_cast<uint32_t>(made.body.size());
  return made;
}

TopicValue TopicValue::binary(abi::Payload app, std::vector<std::byte> body) {
  TopicValue made;
  made.head.type = abi::ValueType::binary;
  made.head.app = app;
  made.head.size = static_cast<uint32_t>(body.size());
  made.body = std::move(body);
  return made;
}

std::string_view TopicValue::as_text() const {
  return body.empty() ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(body.data()), body.size() - 1);
}

std::string TopicValue::to_string() const {
  switch (head.type) {
    case abi::ValueType::null: return "null";
    case abi::ValueType::text:
    case abi::ValueType::json: return std::string(as_text());
    case abi::ValueType::binary: return "binary";
    case abi::ValueType::f32: return "f32";
    case abi::ValueType::f64: return "f64";
    case abi::ValueType::i8: return std::to_string(static_cast<int8_t>(head.u8));
    case abi::ValueType::i16: return std::to_string(static_cast<int16_t>(head.u16));
    case abi::ValueType::i32: return std::to_string(head.i32);
    case abi::ValueType::i64: return std::to_string(static_cast<int64_t>(head.u64));
    case abi::ValueType::u8: return std::to_string(head.u8);
    case abi::ValueType::u16: return std::to_string(head.u16);
    case abi::ValueType::u32: return std::to_string(head.u32);
    case abi::ValueType::u64: return std::to_string(head.u64);
  }
  return "?";
}

bool TopicValue::operator==(const TopicValue& other) const {
  if (head.type != other.head.type) return false;
  return has_body(head.type) ? body == other.body : to_string() == other.to_string();
}

DeviceTopic split_device_topic(std::string_view topic) {
  if (!topic.starts_with("u/")) return {};
  const size_t model_end = topic.find('/', 2);
  if (model_end == topic.npos) return {};
  const size_t serial_end = topic.find('/', model_end + 1);
  if (serial_end == topic.npos) return {};
  return {std::string(topic.substr(0, serial_end)), std::string(topic.substr(2, model_end - 2)),
          std::string(topic.substr(serial_end + 1))};
}

bool is_routable(std::string_view topic) {
  while (!topic.empty()) {
    const std::string_view level = topic.substr(0, topic.find('/'));
    if (level.size() > 7) return false;
    topic.remove_prefix(std::min(level.size() + 1, topic.size()));
  }
  return true;
}

bool covers(std::string_view subscribed, std::string_view topic) {
  if (subscribed.empty() || subscribed == topic) return true;
  return topic.starts_with(subscribed) && topic[subscribed.size()] == '/';
}

}  // namespace joulespool::standin
