#include "agent/wire/topics.h"

#include <array>

namespace joulespool::wire {
namespace {

constexpr std::string_view root = "joulespool/v1/";
constexpr std::string_view bridge_prefix = "joulespool/v1/bridge/";
constexpr std::string_view state_suffix = "/state";

std::string host_topic(std::string_view host, std::string_view what) {
  return std::string(root) + "host/" + std::string(host) + "/" + std::string(what);
}

std::string two_hex_digits(unsigned part) {
  constexpr std::string_view digits = "0123456789abcdef";
  return {digits[(part >> 4) & 15], digits[part & 15]};
}

std::optional<unsigned> parse_part(std::string_view text) {
  for (unsigned part = 0; part < part_count; ++part)
    if (text == two_hex_digits(part)) return part;
  return std::nullopt;
}

}  // namespace

unsigned part_of(std::string_view host) {
  uint32_t hash = 2166136261U;
  for (const char c : host) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash % part_count;
}

std::string data_topic(std::string_view host, Lane lane) {
  return std::string(root) + "data/" + two_hex_digits(part_of(host)) + "/" + std::string(host) + "/" +
         std::string(to_string(lane));
}

std::string data_topic_filter(unsigned part) { return std::string(root) + "data/" + two_hex_digits(part) + "/+/+"; }
std::string ack_topic(std::string_view host) { return host_topic(host, "ack"); }
std::string state_topic(std::string_view host) { return host_topic(host, "state"); }
std::string event_topic(std::string_view host) { return host_topic(host, "event"); }

std::string bridge_state_topic(std::string_view bridge) {
  return std::string(bridge_prefix) + std::string(bridge) + std::string(state_suffix);
}

std::optional<DataTopic> parse_data_topic(std::string_view topic) {
  constexpr std::string_view prefix = "joulespool/v1/data/";
  if (!topic.starts_with(prefix)) return std::nullopt;
  topic.remove_prefix(prefix.size());
  const size_t host_at = topic.find('/');
  const size_t lane_at = topic.rfind('/');
  if (host_at == std::string_view::npos || lane_at == host_at) return std::nullopt;
  const auto part = parse_part(topic.substr(0, host_at));
  const std::string_view host = topic.substr(host_at + 1, lane_at - host_at - 1);
  const auto lane = parse_lane(topic.substr(lane_at + 1));
  if (!part || !lane || !is_valid_id(host)) return std::nullopt;
  return DataTopic{*part, host, *lane};
}

std::optional<std::string_view> parse_bridge_state_topic(std::string_view topic) {
  if (!topic.starts_with(bridge_prefix) || !topic.ends_with(state_suffix)) return std::nullopt;
  if (topic.size() <= bridge_prefix.size() + state_suffix.size()) return std::nullopt;
  const std::string_view id = topic.substr(bridge_prefix.size(), topic.size() - bridge_prefix.size() - state_suffix.size());
  if (!is_valid_id(id)) return std::nullopt;
  return id;
}

}  // namespace joulespool::wire
