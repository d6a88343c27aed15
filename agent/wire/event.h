// What lane `event` carries: gaps, starts, stops, notes. Bytes: event.proto.
#pragma once

#include <variant>

#include "agent/base/int128.h"
#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::wire {

enum class GapReason : uint8_t {
  usb_drop = 1,
  overrun = 2,
  device_lost = 3,
  disk_full = 4,
  evicted = 5,
  corrupt = 6,
  restart = 7,
  rejected = 8,
};
std::string_view to_string(GapReason reason);

// Samples that are in no frame, or no longer in one. See event.proto for the fields.
struct Gap {
  GapReason reason = GapReason::usb_drop;
  uint64_t axis = 0;
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  bool open_ended = false;
  uint64_t samples_lost = 0;
  int64_t utc_first_ns = 0;
  int64_t utc_end_ns = 0;
  std::optional<Lane> lane;  // unset: no lane has these samples
  std::optional<SeqRange> frames;
  std::string detail;
  uint64_t epoch = 0;  // of `frames`; 0: that of the frame in which this gap stands
  std::vector<ReplacedFrames> replaced = {};  // for which the lost frames stood
  bool operator==(const Gap&) const = default;
};

struct LaneStart {
  Lane lane = Lane::event;
  uint64_t next_seq = 0;
  bool uploaded = false;
  bool operator==(const LaneStart&) const = default;
};

struct Started {
  std::string version;
  std::string boot;
  uint64_t axis = 0;
  uint64_t sample_id = 0;
  std::vector<LaneStart> lanes;
  std::string source;
  uint64_t window_ticks = 0;
  bool operator==(const Started&) const = default;
};

// Sums since the spool began. A sample that is in a gap counts in samples_lost only.
struct Totals {
  uint64_t samples = 0;
  uint64_t valid = 0;
  int128 i_sum = 0;  // 2^-31 A per sample
  int128 p_sum = 0;  // 2^-31 W per sample
  uint64_t samples_lost = 0;
  bool operator==(const Totals&) const = default;
};

struct Stopped {
  std::string reason;
  uint64_t sample_id_end = 0;
  Totals totals;
  bool operator==(const Stopped&) const = default;
};

struct ClockCorrected {
  UtcMap before;
  UtcMap after;
  bool operator==(const ClockCorrected&) const = default;
};

struct DeviceNote {
  std::string kind;
  std::string detail;
  uint64_t sample_id = 0;
  bool operator==(const DeviceNote&) const = default;
};

// monostate: a kind that this version does not know.
using Event = std::variant<std::monostate, Gap, Started, Stopped, ClockCorrected, DeviceNote>;

constexpr uint32_t event_codec = 1;
Bytes write_events(const std::vector<Event>& events);
Result<std::vector<Event>> read_events(ByteView payload);

}  // namespace joulespool::wire
