#include "agent/spool/extents.h"

#include <algorithm>
#include <utility>

namespace joulespool::spool {
namespace {

using Extents = std::map<uint64_t, Extent>;

// The parts of an extent that stay when [first, last] of it leaves, both inside it; nothing where there is none.
struct Rest {
  std::optional<std::pair<uint64_t, Extent>> before, after;
  Extent cut;  // what leaves
};

uint64_t bytes_of(const std::vector<FrameInfo>& frames, uint64_t first, uint64_t last) {
  uint64_t bytes = 0;
  for (const FrameInfo& frame : frames)
    if (frame.id.seq >= first && frame.id.seq <= last) bytes += frame.size_bytes;
  return bytes;
}

const FrameInfo* find_row(const std::vector<FrameInfo>& frames, uint64_t seq) {
  for (const FrameInfo& frame : frames)
    if (frame.id.seq == seq) return &frame;
  return nullptr;
}

// Rows that cannot be read leave the cover of a part as wide as it was: nothing is said to be known that is not.
Result<Rest> cut(uint64_t extent_first, const Extent& extent, uint64_t first, uint64_t last, const RowReader& rows) {
  Rest rest;
  rest.cut = extent;
  if (first == extent_first && last == extent.seq_last) return rest;
  const bool both = first != extent_first && last != extent.seq_last;
  const uint64_t from = both ? extent_first : std::max(extent_first, first - 1);
  auto read = rows(extent.segment, from, std::min(extent.seq_last, last + 1));
  if (!read) return read.error();
  rest.cut.seq_last = last;
  rest.cut.bytes = std::min(extent.bytes, bytes_of(*read, first, last));
  const FrameInfo* const cut_first = find_row(*read, first);
  const FrameInfo* const cut_last = find_row(*read, last);
  if (first != extent_first) {
    auto& [key, part] = rest.before.emplace(extent_first, extent);
    part.seq_last = first - 1;
    part.bytes =
        both ? std::min(extent.bytes - rest.cut.bytes, bytes_of(*read, extent_first, first - 1)) : extent.bytes - rest.cut.bytes;
    if (const FrameInfo* const row = find_row(*read, first - 1)) {
      part.cover.sample_id_end = row->sample_id_end;
      part.cover.utc_end_ns = row->utc_end_ns;
    }
    if (cut_first != nullptr) {
      rest.cut.cover.sample_id_first = cut_first->sample_id_first;
      rest.cut.cover.utc_first_ns = cut_first->utc_first_ns;
    }
  }
  if (last != extent.seq_last) {
    auto& [key, part] = rest.after.emplace(last + 1, extent);
    part.bytes = extent.bytes - rest.cut.bytes - (rest.before ? rest.before->second.bytes : 0);
    if (const FrameInfo* const row = find_row(*read, last + 1)) {
      part.cover.sample_id_first = row->sample_id_first;
      part.cover.utc_first_ns = row->utc_first_ns;
    }
    if (cut_last != nullptr) {
      rest.cut.cover.sample_id_end = cut_last->sample_id_end;
      rest.cut.cover.utc_end_ns = cut_last->utc_end_ns;
    }
  }
  return rest;
}

// Joins an extent to the one before it where they are one run.
void join_before(Extents& extents, Extents::iterator at) {
  if (at == extents.begin() || at == extents.end()) return;
  const auto before = std::prev(at);
  Extent& a = before->second;
  const Extent& b = at->second;
  if (a.seq_last + 1 != at->first || a.segment != b.segment || a.state != b.state || a.level != b.level ||
      a.cover.axis != b.cover.axis)
    return;
  a.seq_last = b.seq_last;
  a.bytes += b.bytes;
  a.cover.sample_id_end = b.cover.sample_id_end;
  a.cover.utc_end_ns = b.cover.utc_end_ns;
  extents.erase(at);
}

// Calls edit(extents, rest, seq of the first that is cut) for the part of every extent that lies in `range`, on a copy.
template <class Edit>
Status edit_range(Stream& stream, wire::SeqRange range, bool queued_only, const RowReader& rows, const Edit& edit) {
  auto at = find_extent(stream, range.first);
  if (at == stream.extents.end()) at = stream.extents.lower_bound(range.first);
  if (at == stream.extents.end() || at->first > range.last) return {};
  Extents extents = stream.extents;
  for (; at != stream.extents.end() && at->first <= range.last; ++at) {
    if (queued_only && at->second.state != FrameState::queued) continue;
    const uint64_t first = std::max(at->first, range.first);
    auto rest = cut(at->first, at->second, first, std::min(at->second.seq_last, range.last), rows);
    if (!rest) return rest.error();
    extents.erase(at->first);
    if (rest->before) extents.insert(*rest->before);
    if (rest->after) extents.insert(*rest->after);
    edit(extents, *rest, first);
  }
  stream.extents = std::move(extents);
  return {};
}

}  // namespace

Cover cover_of(const FrameInfo& frame) {
  return {frame.axis, frame.sample_id_first, frame.sample_id_end, frame.utc_first_ns, frame.utc_end_ns};
}

Extents::const_iterator find_extent(const Stream& stream, uint64_t seq) {
  auto after = stream.extents.upper_bound(seq);
  if (after == stream.extents.begin()) return stream.extents.end();
  const auto at = std::prev(after);
  return at->second.seq_last >= seq ? at : stream.extents.end();
}

void append(Stream& stream, const FrameInfo& frame, uint64_t segment) {
  const uint64_t seq = frame.id.seq;
  const auto [at, added] =
      stream.extents.insert_or_assign(seq, Extent{seq, frame.state, frame.level, segment, frame.size_bytes, cover_of(frame)});
  stream.next_seq = seq + 1;
  join_before(stream.extents, at);
}

Status remove(Stream& stream, wire::SeqRange range, bool queued_only, const RowReader& rows) {
  return edit_range(stream, range, queued_only, rows, [](Extents&, const Rest&, uint64_t) {});
}

Status move(Stream& stream, wire::SeqRange range, uint64_t segment, const RowReader& rows) {
  return edit_range(stream, range, false, rows, [segment](Extents& extents, const Rest& rest, uint64_t first) {
    Extent moved = rest.cut;
    moved.segment = segment;
    const auto at = extents.insert_or_assign(first, moved).first;
    join_before(extents, std::next(at));
    join_before(extents, at);
  });
}

LaneUsage usage_of(const wire::FrameSequence& sequence, const Stream& stream) {
  LaneUsage usage;
  usage.sequence = sequence;
  usage.seq_next = stream.next_seq;
  if (stream.extents.empty()) return usage;
  usage.seq_first = stream.extents.begin()->first;
  usage.utc_first_ns = stream.extents.begin()->second.cover.utc_first_ns;
  usage.utc_end_ns = stream.extents.rbegin()->second.cover.utc_end_ns;
  for (const auto& [first, extent] : stream.extents) {
    const bool queued = extent.state == FrameState::queued;
    if (queued && usage.queued_frames == 0) usage.oldest_queued_utc_ns = extent.cover.utc_first_ns;
    (queued ? usage.queued_frames : usage.kept_frames) += extent.seq_last - first + 1;
    (queued ? usage.queued_bytes : usage.kept_bytes) += extent.bytes;
  }
  return usage;
}

void add_amounts(const Stream& stream, SegmentAmounts& amounts) {
  for (const auto& [first, extent] : stream.extents) {
    Amount& amount = amounts[extent.segment];
    amount.frames += extent.seq_last - first + 1;
    amount.bytes += extent.bytes;
  }
}

SegmentAmounts amounts_by_segment(const StreamTable& streams) {
  SegmentAmounts amounts;
  for (const auto& [sequence, stream] : streams) add_amounts(stream, amounts);
  return amounts;
}

Amount amount_of(const StreamTable& streams, wire::Lane lane) {
  Amount all;
  for (const auto& [sequence, stream] : streams) {
    if (sequence.lane != lane) continue;
    for (const auto& [first, extent] : stream.extents) {
      all.frames += extent.seq_last - first + 1;
      all.bytes += extent.bytes;
    }
  }
  return all;
}

Amount amount_of(const StreamTable& streams) {
  Amount all;
  for (const wire::Lane lane : wire::lanes) {
    const Amount amount = amount_of(streams, lane);
    all.frames += amount.frames;
    all.bytes += amount.bytes;
  }
  return all;
}

}  // namespace joulespool::spool
