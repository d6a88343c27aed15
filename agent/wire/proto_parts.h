// Parts that several protobuf messages share, to and from our own types. Inside this room only.
#pragma once

#include <google/protobuf/stubs/logging.h>

#include "agent/base/int128.h"
#include "agent/wire/frame.pb.h"
#include "agent/wire/types.h"

namespace joulespool::v1 {}

namespace joulespool::wire {

namespace v1 = ::joulespool::v1;

// What does not parse is an error value here; without this, the library would also write a line on stderr for each bad
// string, and whoever can publish could fill the log.
inline const bool protobuf_is_silent = [] {
  google::protobuf::SetLogHandler(nullptr);
  return true;
}();

inline void put(int128 value, v1::Int128& proto) {
  proto.set_high(high_half(value));
  proto.set_low(low_half(value));
}
inline int128 get(const v1::Int128& proto) { return join_halves(proto.high(), proto.low()); }

inline void put(const UtcMap& map, v1::UtcMap& proto) {
  proto.set_sample_id(map.sample_id);
  proto.set_utc_ns(map.utc_ns);
  proto.set_counter_rate_hz(map.counter_rate_hz);
  proto.set_quality(static_cast<v1::UtcMap::Quality>(map.quality));
}
inline UtcMap get(const v1::UtcMap& proto) {
  const auto quality =
      proto.quality() >= 0 && proto.quality() <= 3 ? static_cast<UtcQuality>(proto.quality()) : UtcQuality::unknown;
  return {proto.sample_id(), proto.utc_ns(), proto.counter_rate_hz(), quality};
}

inline void put(const ReplacedFrames& frames, v1::ReplacedFrames& proto) {
  proto.set_epoch(frames.epoch);
  proto.set_first(frames.seqs.first);
  proto.set_last(frames.seqs.last);
}
inline ReplacedFrames get(const v1::ReplacedFrames& proto) { return {proto.epoch(), {proto.first(), proto.last()}}; }

inline bool is_known(v1::Lane lane) { return lane >= v1::LANE_EVENT && lane <= v1::LANE_WAVE; }

}  // namespace joulespool::wire
