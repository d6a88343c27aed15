#include "agent/wire/frame.h"

#include <algorithm>
#include <cstring>

#include "agent/base/crc32c.h"
#include "agent/wire/frame.pb.h"
#include "agent/wire/proto_parts.h"

namespace joulespool::wire {
namespace {

constexpr char magic[4] = {'J', 'S', 'F', '1'};
constexpr size_t checksum_at = 12;

void put_u32(std::byte* at, uint32_t value) {
  for (size_t k = 0; k < 4; ++k) at[k] = static_cast<std::byte>(value >> (8 * k));
}

uint32_t get_u32(const std::byte* at) {
  uint32_t value = 0;
  for (size_t k = 0; k < 4; ++k) value |= static_cast<uint32_t>(at[k]) << (8 * k);
  return value;
}

// Over everything but the checksum's own four bytes.
uint32_t checksum(ByteView frame) { return crc32c(frame.subspan(frame_prefix_bytes), crc32c(frame.first(checksum_at))); }

v1::FrameHeader to_proto(const FrameHeader& header) {
  v1::FrameHeader proto;
  proto.set_host(header.host);
  proto.mutable_device()->set_id(header.device.id);
  proto.mutable_device()->set_model(header.device.model);
  proto.mutable_device()->set_serial(header.device.serial);
  proto.set_lane(static_cast<v1::Lane>(header.lane));
  proto.set_epoch(header.epoch);
  proto.set_seq(header.seq);
  proto.set_codec(header.codec);
  proto.set_axis(header.axis.life);
  proto.set_sample_id_first(header.sample_id_first);
  proto.set_sample_id_end(header.sample_id_end);
  proto.set_counter_rate_hz(header.axis.counter_rate_hz);
  proto.set_decimation(header.axis.decimation);
  put(header.utc, *proto.mutable_utc());
  proto.set_host_realtime_ns(header.host_realtime_ns);
  proto.set_host_monotonic_ns(header.host_monotonic_ns);
  for (const Label& label : header.labels) {
    v1::Label& added = *proto.add_labels();
    added.set_key(label.key);
    added.set_value(label.value);
  }
  proto.set_samples(header.samples);
  proto.set_valid(header.valid);
  proto.set_missing(header.samples - header.valid);
  put(header.i_sum, *proto.mutable_i_sum());
  put(header.p_sum, *proto.mutable_p_sum());
  if (header.kept) {
    v1::Resolution& kept = *proto.mutable_kept();
    kept.set_decimation(header.kept->decimation);
    kept.set_window_ticks(header.kept->window_ticks);
    kept.set_budget_bytes_per_s(header.kept->budget_bytes_per_s);
    kept.set_without_packed(header.kept->without_packed);
  }
  for (const ReplacedFrames& frames : header.replaces) put(frames, *proto.add_replaces());
  return proto;
}

FrameHeader from_proto(const v1::FrameHeader& proto) {
  FrameHeader header;
  header.host = proto.host();
  header.device = {proto.device().id(), proto.device().model(), proto.device().serial()};
  header.lane = static_cast<Lane>(proto.lane());
  header.epoch = proto.epoch();
  header.seq = proto.seq();
  header.codec = proto.codec();
  header.axis = {proto.axis(), proto.counter_rate_hz(), proto.decimation()};
  header.sample_id_first = proto.sample_id_first();
  header.sample_id_end = proto.sample_id_end();
  header.utc = get(proto.utc());
  header.host_realtime_ns = proto.host_realtime_ns();
  header.host_monotonic_ns = proto.host_monotonic_ns();
  for (const v1::Label& label : proto.labels()) header.labels.push_back({label.key(), label.value()});
  header.samples = proto.samples();
  header.valid = proto.valid();
  header.i_sum = get(proto.i_sum());
  header.p_sum = get(proto.p_sum());
  if (proto.has_kept())
    header.kept = {proto.kept().decimation(), proto.kept().window_ticks(), proto.kept().budget_bytes_per_s(),
                   proto.kept().without_packed()};
  for (const v1::ReplacedFrames& frames : proto.replaces()) header.replaces.push_back(get(frames));
  return header;
}

bool labels_are_valid(const std::vector<Label>& labels) {
  if (labels.size() > labels_max) return false;
  for (const Label& label : labels)
    if (label.key.empty() || label.key.size() > label_bytes_max || label.value.size() > label_bytes_max) return false;
  return true;
}

// A lower rate is a fraction of the full one, and comes with windows: they alone say what the sums are of.
bool is_possible(const v1::Resolution& kept, uint32_t decimation) {
  return kept.decimation() % std::max(1U, decimation) == 0 && (kept.decimation() == decimation || kept.window_ticks() > 0);
}

// Only frames that were there before can be replaced.
bool replaces_are_valid(const v1::FrameHeader& proto) {
  if (proto.replaces_size() > static_cast<int>(replaced_max)) return false;
  return std::all_of(proto.replaces().begin(), proto.replaces().end(), [&](const v1::ReplacedFrames& frames) {
    return frames.epoch() > 0 && frames.first() > 0 && frames.first() <= frames.last() && frames.last() < UINT64_MAX &&
           (frames.epoch() != proto.epoch() || frames.last() < proto.seq());
  });
}

bool is_valid(const v1::FrameHeader& proto) {
  const bool named = is_valid_id(proto.host()) && is_valid_id(proto.device().id());
  const bool numbered = is_known(proto.lane()) && proto.seq() > 0 && proto.epoch() > 0 && proto.codec() > 0;
  const bool placed = proto.sample_id_end() >= proto.sample_id_first() && proto.decimation() > 0 && proto.counter_rate_hz() > 0;
  const bool counted = proto.samples() >= proto.valid() && proto.missing() == proto.samples() - proto.valid() &&
                       proto.samples() <= (proto.sample_id_end() - proto.sample_id_first()) / std::max(1U, proto.decimation());
  return named && numbered && placed && counted && replaces_are_valid(proto) && (!proto.has_kept() || is_possible(proto.kept(), proto.decimation()));
}

std::optional<FrameDefect> envelope_defect(ByteView bytes) {
  if (bytes.size() < frame_prefix_bytes) return FrameDefect::too_short;
  if (std::memcmp(bytes.data(), magic, 3) != 0) return FrameDefect::foreign;
  if (static_cast<char>(bytes[3]) != magic[3]) return FrameDefect::unknown_version;
  const uint64_t header_size = get_u32(bytes.data() + 4);
  const uint64_t size = frame_prefix_bytes + header_size + get_u32(bytes.data() + 8);
  if (header_size > frame_header_bytes_max || size > frame_bytes_limit) return FrameDefect::too_large;
  if (bytes.size() < size) return FrameDefect::truncated;
  if (bytes.size() > size) return FrameDefect::trailing_bytes;
  if (checksum(bytes) != get_u32(bytes.data() + checksum_at)) return FrameDefect::checksum;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(FrameDefect defect) {
  constexpr std::string_view names[frame_defect_count] = {"too_short", "foreign",   "unknown_version",
                                                          "too_large", "truncated", "trailing_bytes",
                                                          "checksum",  "header",    "header_invalid"};
  return names[static_cast<size_t>(defect)];
}

KeptSamples kept_samples(const FrameHeader& header) {
  if (header.keeps_all()) return {header.sample_id_first, header.axis.decimation, header.samples};
  const uint32_t decimation = header.kept->decimation;
  if (decimation == 0) return {header.sample_id_first, header.axis.decimation, 0};
  const uint64_t phase = header.sample_id_first % header.axis.decimation;
  const uint64_t since_kept = (header.sample_id_first - phase) % decimation;  // ticks
  const uint64_t to_first = since_kept == 0 ? 0 : decimation - since_kept;
  const uint64_t ticks = header.samples * header.axis.decimation;
  return {header.sample_id_first + to_first, decimation, to_first >= ticks ? 0 : (ticks - to_first - 1) / decimation + 1};
}

Bytes write_frame(const FrameHeader& header, ByteView payload) {
  const std::string head = to_proto(header).SerializeAsString();
  Bytes frame(frame_prefix_bytes + head.size() + payload.size());
  std::memcpy(frame.data(), magic, sizeof magic);
  put_u32(frame.data() + 4, static_cast<uint32_t>(head.size()));
  put_u32(frame.data() + 8, static_cast<uint32_t>(payload.size()));
  std::memcpy(frame.data() + frame_prefix_bytes, head.data(), head.size());
  if (!payload.empty()) std::memcpy(frame.data() + frame_prefix_bytes + head.size(), payload.data(), payload.size());
  put_u32(frame.data() + checksum_at, checksum(frame));
  return frame;
}

std::variant<Frame, FrameDefect> read_frame(ByteView bytes) {
  if (const auto defect = envelope_defect(bytes)) return *defect;
  const size_t header_size = get_u32(bytes.data() + 4);
  v1::FrameHeader proto;
  if (!proto.ParseFromArray(bytes.data() + frame_prefix_bytes, static_cast<int>(header_size))) return FrameDefect::header;
  if (!is_valid(proto)) return FrameDefect::header_invalid;
  Frame frame{from_proto(proto), bytes.subspan(frame_prefix_bytes + header_size)};
  if (!labels_are_valid(frame.header.labels)) return FrameDefect::header_invalid;
  return frame;
}

}  // namespace joulespool::wire
