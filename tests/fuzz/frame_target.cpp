#include <algorithm>

#include "agent/base/crc32c.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace joulespool::fuzz {
namespace {

using wire::FrameHeader;

void check_header(const FrameHeader& header) {
  require(wire::is_valid_id(header.host) && wire::is_valid_id(header.device.id), "frame: host and device have valid ids");
  require(header.seq > 0 && header.epoch > 0 && header.codec > 0, "frame: seq, epoch and codec are not 0");
  require(header.axis.decimation > 0 && header.axis.counter_rate_hz > 0, "frame: there is a rate");
  require(header.valid <= header.samples, "frame: no more valid samples than samples");
  require(header.samples <= header.sample_id_end - header.sample_id_first, "frame: no more samples than ticks");
  require(wire::kept_samples(header).count <= header.samples, "frame: no more samples kept than there were");
  require(header.labels.size() <= wire::labels_max, "frame: no more labels than allowed");
  for (const wire::Label& label : header.labels)
    require(std::max(label.key.size(), label.value.size()) <= wire::label_bytes_max, "frame: no label longer than allowed");
  require(header.replaces.size() <= wire::replaced_max, "frame: no more ranges of replaced frames than allowed");
  for (const wire::ReplacedFrames& frames : header.replaces)
    require(frames.epoch > 0 && frames.seqs.first > 0 && frames.seqs.first <= frames.seqs.last &&
                (frames.epoch != header.epoch || frames.seqs.last < header.seq),
            "frame: replaced frames were there before");
  // Maps come from outside, and readers use them.
  const int64_t utc_ns = header.utc.utc_ns_at(header.sample_id_first);
  static_cast<void>(header.utc.sample_id_at(utc_ns));
}

// What a frame says, written again, reads the same. Compared as bytes: a counter rate may be NaN.
void check_again(const wire::Frame& frame) {
  const wire::Bytes again = wire::write_frame(frame.header, frame.payload);
  const auto read = wire::read_frame(again);
  const auto* same = std::get_if<wire::Frame>(&read);
  if (same == nullptr) {  // fields that were left out are written in full, and the header may outgrow its limit
    require(std::get<wire::FrameDefect>(read) == wire::FrameDefect::too_large, "frame: what was read can be written and read");
    return;
  }
  require(std::ranges::equal(same->payload, frame.payload), "frame: the payload stays the same");
  require(wire::write_frame(same->header, same->payload) == again, "frame: the header stays the same");
}

bool payload_decodes(const wire::Frame& frame) {
  const FrameHeader& header = frame.header;
  switch (header.lane) {
    case wire::Lane::event: return run_event(frame.payload);
    case wire::Lane::stat: return decodes_as_windows(frame.payload, header.codec, header.sample_id_first);
    case wire::Lane::wave: return decodes_as_samples(frame.payload, header.codec, wire::kept_samples(header).count);
  }
  require(false, "frame: the lane is one of the three");
  return false;
}

constexpr size_t header_size_at = 4;
constexpr size_t payload_size_at = 8;
constexpr size_t checksum_at = 12;

void put_u32(wire::Bytes& bytes, size_t at, size_t value) {
  for (size_t k = 0; k < 4; ++k) bytes[at + k] = static_cast<std::byte>(value >> (8 * k));
}

}  // namespace

bool run_frame(wire::ByteView input) {
  const auto read = wire::read_frame(input);
  if (const auto* defect = std::get_if<wire::FrameDefect>(&read)) {
    require(wire::to_string(*defect).size() > 3, "frame: a refusal has a name");
    return false;
  }
  const auto& frame = std::get<wire::Frame>(read);
  check_header(frame.header);
  check_again(frame);
  const bool decoded = payload_decodes(frame);
  planted_defect(decoded && frame.header.lane == wire::Lane::wave && frame.header.samples > 1 &&
                 frame.header.utc.quality == wire::UtcQuality::instrument);
  return decoded;
}

size_t frame_head(wire::ByteView frame) {
  if (frame.size() < wire::frame_prefix_bytes) return frame.size();
  size_t header = 0;
  for (size_t k = 0; k < 4; ++k) header |= static_cast<size_t>(frame[header_size_at + k]) << (8 * k);
  return std::min(wire::frame_prefix_bytes + header, frame.size());
}

void repair_frame(wire::Bytes& frame, size_t head) {
  if (head < wire::frame_prefix_bytes) return;
  put_u32(frame, header_size_at, head - wire::frame_prefix_bytes);
  put_u32(frame, payload_size_at, frame.size() - head);
  const wire::ByteView bytes = frame;
  put_u32(frame, checksum_at, crc32c(bytes.subspan(wire::frame_prefix_bytes), crc32c(bytes.first(checksum_at))));
}

}  // namespace joulespool::fuzz
