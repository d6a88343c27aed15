// Which frames are in the spool, and where: runs of them, so that memory follows the number of segments and not of frames. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "agent/base/result.h"
#include "agent/spool/spool.h"

namespace joulespool::spool {

// What a run of frames covers: the ticks [sample_id_first, sample_id_end) of `axis`, and the time.
struct Cover {
  uint64_t axis = 0;
  uint64_t sample_id_first = 0, sample_id_end = 0;
  int64_t utc_first_ns = 0, utc_end_ns = 0;
  bool operator==(const Cover&) const = default;
};
Cover cover_of(const FrameInfo& frame);

// Frames of one sequence with consecutive numbers, all in one segment, in one state and level and on one axis.
struct Extent {
  uint64_t seq_last = 0;  // the first is its key
  FrameState state = FrameState::queued;
  uint8_t level = 0;
  uint64_t segment = 0;
  uint64_t bytes = 0;
  Cover cover;
  bool operator==(const Extent&) const = default;
};

// A sequence: its number in the segments' tables, the seq to come, and what is there.
struct Stream {
  int64_t id = 0;
  uint64_t next_seq = 1;
  std::map<uint64_t, Extent> extents;  // by their first seq; disjoint
  bool operator==(const Stream&) const = default;
};
using StreamTable = std::map<wire::FrameSequence, Stream>;

// The extent that holds `seq`, or extents.end().
std::map<uint64_t, Extent>::const_iterator find_extent(const Stream& stream, uint64_t seq);

// Adds the stream's next frame; it lies in `segment`.
void append(Stream& stream, const FrameInfo& frame, uint64_t segment);

// The frames [first, last] of a segment as its rows tell them, in order; those that cannot be read are missing.
using RowReader = std::function<Result<std::vector<FrameInfo>>(uint64_t segment, uint64_t first, uint64_t last)>;

// Takes the frames of `range` out (`queued_only`: not the kept ones). `rows` is asked where an extent is cut into parts.
// Errors: those of `rows`; the stream is unchanged then.
Status remove(Stream& stream, wire::SeqRange range, bool queued_only, const RowReader& rows);

// The frames [first, last] lie in `segment` now; there are the same frames before and after.
// Errors: those of `rows`; the stream is unchanged then.
Status move(Stream& stream, wire::SeqRange range, uint64_t segment, const RowReader& rows);

LaneUsage usage_of(const wire::FrameSequence& sequence, const Stream& stream);

// Frames and the sum of their bytes.
struct Amount {
  uint64_t frames = 0, bytes = 0;
};
Amount amount_of(const StreamTable& streams);
Amount amount_of(const StreamTable& streams, wire::Lane lane);
// A segment without frames is not in it.
using SegmentAmounts = std::map<uint64_t, Amount>;
void add_amounts(const Stream& stream, SegmentAmounts& amounts);
SegmentAmounts amounts_by_segment(const StreamTable& streams);

}  // namespace joulespool::spool
