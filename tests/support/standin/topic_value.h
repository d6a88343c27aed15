// Values of topics that own what they point to, and the rules for topics. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/device/joulescope_abi.h"

namespace joulespool::standin {

namespace abi = device::abi;
constexpr uint8_t flag_retain = 0x01;
constexpr size_t topic_bytes_max = 64;  // with the terminating 0

struct TopicValue {
  abi::Value head;
  std::vector<std::byte> body;  // text with its terminating 0, or binary

  static TopicValue copy_of(const abi::Value& value);
  static TopicValue number(uint32_t value);
  static TopicValue text(std::string_view text);
  static TopicValue binary(abi::Payload app, std::vector<std::byte> body);

  [[nodiscard]] bool is_text() const { return head.type == abi::ValueType::text || head.type == abi::ValueType::json; }
  [[nodiscard]] std::string_view as_text() const;
  [[nodiscard]] std::string to_string() const;  // for the record of calls
  // Same type and same value: what a retained publish is compared by.
  [[nodiscard]] bool operator==(const TopicValue& other) const;
};

// "u/js220/001122/s/i/ctrl": the driver's name of the instrument, and what is below it. Empty: not below an instrument.
struct DeviceTopic {
  std::string prefix;  // "u/js220/001122"
  std::string model;   // "js220"
  std::string rest;    // "s/i/ctrl"
};
DeviceTopic split_device_topic(std::string_view topic);

// No level longer than 7 characters.
bool is_routable(std::string_view topic);
// A subscription also gets what is below it.
bool covers(std::string_view subscribed, std::string_view topic);

}  // namespace joulespool::standin
