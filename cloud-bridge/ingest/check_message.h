// MQTT message -> checked frame, or the reason why it is none. Pure; safe on hostile input.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "agent/wire/frame.h"
#include "agent/wire/topics.h"

namespace joulespool::ingest {

using PartSet = std::bitset<wire::part_count>;

struct CheckedFrame {
  wire::FrameHeader header;
  uint64_t prev = 0;  // property `prev`; less than header.seq
};

// `reason` is one of a fixed set, fit for a counter and a file name:
//   topic                     not a data topic
//   part_not_served           a part that another bridge serves
//   too_short ... header_invalid   wire::FrameDefect
//   topic_contradicts_header  the topic's host, lane or part is not that of the frame: perhaps a forged host
//   bad_prev                  the property `prev` is missing, no number, or not below seq
struct Reject {
  std::string_view reason;  // static
  std::string detail;       // for people
};

// `prev`: value of the message's user property wire::previous_property, if it has one.
std::variant<CheckedFrame, Reject> check_message(std::string_view topic, wire::ByteView payload,
                                                 std::optional<std::string_view> prev, const PartSet& parts_served);

}  // namespace joulespool::ingest
