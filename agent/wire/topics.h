// MQTT topics and message properties: the names on the broker. See FORMAT.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/wire/types.h"

namespace joulespool::wire {

constexpr unsigned part_count = 64;
// 0..63: FNV-1a (32 bit) of the host id, modulo part_count.
unsigned part_of(std::string_view host);

std::string data_topic(std::string_view host, Lane lane);  // joulespool/v1/data/<part>/<host>/<lane>
std::string data_topic_filter(unsigned part);              // joulespool/v1/data/<part>/+/+
std::string ack_topic(std::string_view host);              // joulespool/v1/host/<host>/ack
std::string state_topic(std::string_view host);            // joulespool/v1/host/<host>/state
std::string event_topic(std::string_view host);            // joulespool/v1/host/<host>/event
std::string bridge_state_topic(std::string_view bridge);   // joulespool/v1/bridge/<id>/state
constexpr std::string_view bridge_state_filter = "joulespool/v1/bridge/+/state";

struct DataTopic {
  unsigned part = 0;
  std::string_view host;  // into the given text
  Lane lane = Lane::event;
};
std::optional<DataTopic> parse_data_topic(std::string_view topic);
// The bridge's id, or nothing.
std::optional<std::string_view> parse_bridge_state_topic(std::string_view topic);

// MQTT 5 user property of every data message: the seq of the frame before this one in its sequence that is still without an
// ack, as decimal text; "0" if there is none. A bridge takes a frame only if it has that one already (FORMAT.md, Order).
constexpr std::string_view previous_property = "prev";

}  // namespace joulespool::wire
