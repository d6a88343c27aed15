// The frame: the unit of spool, publish and forward. Layout and rules: FORMAT.md.
#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "agent/base/int128.h"
#include "agent/wire/types.h"

namespace joulespool::wire {

constexpr size_t frame_prefix_bytes = 16;                 // magic, header_size, payload_size, crc32c
constexpr size_t frame_header_bytes_max = 16 * 1024;      // labels are the only long thing in it
constexpr size_t frame_bytes_limit = 1024 * 1024 - 1024;  // hard limit: a Kinesis record holds 1 MiB with its key
constexpr size_t frame_size_max_default = 120 * 1024;     // AWS IoT Core takes messages of 128 KiB
constexpr size_t labels_max = 32;
constexpr size_t label_bytes_max = 128;  // key and value each
constexpr size_t replaced_max = 192;     // entries of FrameHeader::replaces: with the labels, they fit into the header

// What of its samples a frame of lane wave holds. All else in its header is about all of its samples.
struct Resolution {
  uint32_t decimation = 0;          // ticks from one sample of the waveform in the payload to the next; 0: there is none
  uint64_t window_ticks = 0;        // the payload's windows begin at multiples of it; 0: there are none
  uint64_t budget_bytes_per_s = 0;  // of lane wave, in force when the frame was made; 0: none
  bool without_packed = false;      // packed signals that there were have been left out
  bool operator==(const Resolution&) const = default;
};

struct FrameHeader {
  std::string host;
  DeviceIdentity device;
  Lane lane = Lane::event;
  uint64_t epoch = 0;
  uint64_t seq = 0;
  uint32_t codec = 0;
  TimeAxis axis;
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  UtcMap utc;
  int64_t host_realtime_ns = 0;
  int64_t host_monotonic_ns = 0;
  std::vector<Label> labels;
  uint64_t samples = 0;
  uint64_t valid = 0;
  int128 i_sum = 0;
  int128 p_sum = 0;
  std::optional<Resolution> kept = {};  // none: all samples
  // This frame holds what they held, with longer windows. Who has any of them ignores it.
  std::vector<ReplacedFrames> replaces = {};

  // Does the payload of lane wave hold every sample? If not, its windows say what the sums are of.
  [[nodiscard]] bool keeps_all() const { return !kept || kept->decimation == axis.decimation; }
  [[nodiscard]] FrameId id() const { return {{device.id, epoch, lane}, seq}; }
  bool operator==(const FrameHeader&) const = default;
};

// Where the samples stand that the payload of a frame of lane wave holds: element k of i and v has the sample_id
// sample_id_first + k * decimation. With a lower rate these are the samples whose number, sample_id / axis.decimation rounded
// down, is a multiple of kept.decimation / axis.decimation: their places do not depend on where frames begin.
struct KeptSamples {
  uint64_t sample_id_first = 0;
  uint32_t decimation = 1;
  uint64_t count = 0;
  bool operator==(const KeptSamples&) const = default;
};
KeptSamples kept_samples(const FrameHeader& header);

// Why bytes are not a frame.
enum class FrameDefect {
  too_short,        // not even a prefix
  foreign,          // no "JSF" at the start
  unknown_version,  // "JSF" and another digit than 1
  too_large,        // beyond frame_bytes_limit or frame_header_bytes_max
  truncated,        // shorter than its sizes say
  trailing_bytes,   // longer than its sizes say
  checksum,         // crc32c does not match
  header,           // checksum right, but the header does not parse
  header_invalid,   // it parses, but contradicts itself: no id, seq 0, samples < valid, end < first, ...
};
constexpr size_t frame_defect_count = 9;
std::string_view to_string(FrameDefect defect);

// A checked frame; `payload` points into the bytes that were given to read_frame().
struct Frame {
  FrameHeader header;
  ByteView payload;
};

// Deterministic: the same header and payload give the same bytes.
Bytes write_frame(const FrameHeader& header, ByteView payload);

// Checks everything of the envelope; the payload's inside is the codec's business. Safe on hostile input: no allocation
// beyond what the given bytes justify, never a crash.
std::variant<Frame, FrameDefect> read_frame(ByteView bytes);

}  // namespace joulespool::wire
