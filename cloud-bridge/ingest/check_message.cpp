#include "cloud-bridge/ingest/check_message.h"

#include <charconv>

namespace joulespool::ingest {
namespace {

// Topics and properties come from outside: no more than this of them is repeated in a message.
constexpr size_t quoted_bytes_max = 120;

std::string quoted(std::string_view text) { return "'" + std::string(text.substr(0, quoted_bytes_max)) + "'"; }

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What of the topic is not as in the header; empty: all well.
std::string contradiction(const wire::DataTopic& topic, const wire::FrameHeader& header) {
  if (topic.host != header.host) return "host of the topic " + quoted(topic.host) + ", of the frame " + quoted(header.host);
  if (topic.part != wire::part_of(topic.host)) {
    return "part of the topic " + std::to_string(topic.part) + ", of the host " + std::to_string(wire::part_of(topic.host));
  }
  if (topic.lane == header.lane) return {};
  return "lane of the topic " + quoted(to_string(topic.lane)) + ", of the frame " + quoted(to_string(header.lane));
}

}  // namespace

std::variant<CheckedFrame, Reject> check_message(std::string_view topic, wire::ByteView payload,
                                                 std::optional<std::string_view> prev, const PartSet& parts_served) {
  const auto data_topic = wire::parse_data_topic(topic);
  if (!data_topic) return Reject{"topic", quoted(topic)};
  if (!parts_served.test(data_topic->part)) return Reject{"part_not_served", "part " + std::to_string(data_topic->part)};
  auto read = wire::read_frame(payload);
  if (const auto* defect = std::get_if<wire::FrameDefect>(&read)) return Reject{to_string(*defect), quoted(topic)};
  wire::FrameHeader& header = std::get<wire::Frame>(read).header;
  if (std::string what = contradiction(*data_topic, header); !what.empty()) return Reject{"topic_contradicts_header", what};
  const auto number = prev ? parse_number(*prev) : std::nullopt;
  if (!number) return Reject{"bad_prev", prev ? quoted(*prev) : "none"};
  if (*number >= header.seq) return Reject{"bad_prev", std::to_string(*number) + " of seq " + std::to_string(header.seq)};
  return CheckedFrame{std::move(header), *number};
}

}  // namespace joulespool::ingest
