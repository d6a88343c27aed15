#include "agent/spool/sqlite_commit.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <utility>

namespace joulespool::spool {
namespace {

// Pages of a transaction beside those of frames: the schema and the last pages of the tables.
constexpr uint64_t pages_fixed = 16;
constexpr uint64_t state_row_bytes = 160;  // of a stream, an extent or a position, with its share of a page

std::string name(const wire::FrameSequence& sequence) {
  return sequence.device + "/" + std::string(wire::to_string(sequence.lane));
}

bool is_lane(wire::Lane lane) { return std::find(std::begin(wire::lanes), std::end(wire::lanes), lane) != std::end(wire::lanes); }

// Small rows leave at most half of their page empty. Large ones have a part in a page of the tree and fill a chain of pages.
uint64_t log_bytes_of(uint64_t frame_bytes) {
  constexpr uint64_t row_bytes = 128;
  const uint64_t bytes = frame_bytes + row_bytes + std::min(frame_bytes + row_bytes, page_bytes);
  return bytes + bytes / 32;  // what the log and a chain have beside each page, and the tree above the rows
}

uint64_t log_bytes_of(const Commit& commit) {
  uint64_t bytes = 0;
  for (const NewFrame& frame : commit.frames) bytes += log_bytes_of(frame.bytes.size());
  return bytes;
}

int64_t id_max(const StreamTable& streams) {
  int64_t id = 0;
  for (const auto& [sequence, stream] : streams) id = std::max(id, stream.id);
  return id;
}

}  // namespace

uint64_t snapshot_bytes(const SpoolState& state) {
  uint64_t rows = state.positions.size();
  for (const auto& [sequence, stream] : state.streams) rows += 1 + stream.extents.size();
  return (pages_fixed + rows * state_row_bytes / page_bytes) * log_frame_bytes;
}

uint64_t log_bytes_max(const SpoolState& state, const Commit& commit) { return snapshot_bytes(state) + log_bytes_of(commit); }

bool is_over(const SpoolState& state, const wire::FrameSequence& sequence, const Stream& stream) {
  return sequence.epoch != state.meta.epoch && stream.extents.empty() && stream.id != id_max(state.streams);
}

const Stream* CommitWriter::find(const wire::FrameSequence& sequence) const {
  const auto changed = changed_.find(sequence);
  if (changed != changed_.end()) return &changed->second;
  const auto known = state_.streams.find(sequence);
  return known == state_.streams.end() ? nullptr : &known->second;
}

Stream& CommitWriter::change(const wire::FrameSequence& sequence) {
  const auto changed = changed_.find(sequence);
  if (changed != changed_.end()) return changed->second;
  Stream stream;
  if (const Stream* known = find(sequence)) {
    stream = *known;
  } else {
    stream.id = std::max(id_max(state_.streams), id_max(changed_)) + 1;
  }
  return changed_.emplace(sequence, std::move(stream)).first->second;
}

// ---- what leaves and what comes, in memory

Status CommitWriter::prepare(const Commit& commit, Quarantine& quarantine) {
  for (const NewFrame& frame : commit.frames) JOULESPOOL_TRY(check(frame), "store " + name(frame.info.id.sequence));
  for (const auto& id : commit.set_aside) JOULESPOOL_TRY(set_aside(id, quarantine), "set aside");
  for (const auto& [sequence, range] : commit.stored) JOULESPOOL_TRY(take_out(sequence, range, true), "remove what is stored");
  JOULESPOOL_TRY(drop(commit.dropped), "drop");
  for (DevicePosition position : commit.positions) {
    if (std::isnan(position.utc.counter_rate_hz)) position.utc.counter_rate_hz = 0;  // SQLite would make it NULL
    const std::string device = position.device.id;
    positions_.insert_or_assign(device, std::move(position));
  }
  log_bytes_ += log_bytes_max(state_, commit);
  return {};
}

// Neighbours together: an eviction may be thousands of frames.
Status CommitWriter::drop(const std::vector<wire::FrameId>& dropped) {
  for (size_t first = 0, end = 0; first < dropped.size(); first = end) {
    const wire::FrameId& id = dropped[first];
    for (end = first + 1; end < dropped.size(); ++end)
      if (dropped[end].sequence != id.sequence || dropped[end].seq != dropped[end - 1].seq + 1) break;
    JOULESPOOL_TRY(take_out(id.sequence, {id.seq, dropped[end - 1].seq}, false), name(id.sequence));
  }
  return {};
}

Status CommitWriter::check(const NewFrame& frame) {
  const wire::FrameSequence& sequence = frame.info.id.sequence;
  if (sequence.epoch != state_.meta.epoch)
    return Error{Errc::usage, "epoch " + std::to_string(sequence.epoch) + " is not this spool's"};
  if (!wire::is_valid_id(sequence.device)) return Error{Errc::usage, "no device id: '" + sequence.device + "'"};
  if (!is_lane(sequence.lane)) return Error{Errc::usage, "no lane"};
  if (frame.info.level > level_max) return Error{Errc::usage, "level " + std::to_string(frame.info.level)};
  const Stream* const stream = find(sequence);
  uint64_t& next = next_seq_.try_emplace(sequence, stream == nullptr ? 1 : stream->next_seq).first->second;
  const uint64_t seq = frame.info.id.seq;
  if (seq != next || seq > seq_max)
    return Error{Errc::usage, "seq " + std::to_string(seq) + " where " + std::to_string(next) + " is next"};
  ++next;
  appended_bytes_ += frame.bytes.size();
  return {};
}

Status CommitWriter::set_aside(const wire::FrameId& id, Quarantine& quarantine) {
  const Stream* const stream = find(id.sequence);
  if (stream == nullptr || find_extent(*stream, id.seq) == stream->extents.end()) return {};
  auto frame = segments_.read(id.sequence, *stream, id.seq, std::nullopt, {1});
  if (!frame) return frame.error();
  if (frame->empty()) return {};
  const StoredFrame& found = frame->front();
  JOULESPOOL_TRY(quarantine.put(id, found.intact ? "rejected" : "damaged", found.bytes), "frame " + std::to_string(id.seq));
  return take_out(id.sequence, {id.seq, id.seq}, false);
}

Status CommitWriter::take_out(const wire::FrameSequence& sequence, wire::SeqRange range, bool queued_only) {
  const Stream* const stream = find(sequence);
  if (stream == nullptr) return {};
  range.first = std::max<uint64_t>(range.first, 1);
  range.last = std::min(range.last, stream->next_seq - 1);
  if (range.first > range.last) return {};
  Stream& changing = change(sequence);
  return remove(changing, range, queued_only, segments_.row_reader(sequence, changing.id));
}

SegmentAmounts CommitWriter::amounts() const {
  SegmentAmounts amounts;
  for (const auto& [sequence, stream] : changed_) add_amounts(stream, amounts);
  for (const auto& [sequence, stream] : state_.streams)
    if (!changed_.contains(sequence)) add_amounts(stream, amounts);
  return amounts;
}

Status CommitWriter::prepare_move(uint64_t segment, uint64_t bytes_max) {
  uint64_t bytes = 0;
  for (const auto& [sequence, known] : state_.streams) {
    const Stream& stream = *find(sequence);
    for (const auto& [first, extent] : stream.extents) {
      if (extent.segment != segment) continue;
      if (bytes >= bytes_max) return {};
      const ReadLimits limits{extent.seq_last - first + 1, bytes_max - bytes};
      auto frames = segments_.read(sequence, stream, first, extent.state, limits);
      if (!frames) return frames.error();
      for (StoredFrame& frame : *frames) {
        if (!frame.intact) {
          found_unreadable_ = true;
          return {};
        }
        bytes += frame.bytes.size();
        moved_bytes_ += frame.bytes.size();
        log_bytes_ += log_bytes_of(frame.bytes.size());
        moved_.push_back(std::move(frame));
      }
    }
  }
  return {};
}

// ---- writing

Status CommitWriter::write(const Commit& commit, Database& database, const SegmentMeta& meta, bool fresh) {
  if (fresh) JOULESPOOL_TRY(database.execute(std::string(schema_sql())), "make a segment");
  JOULESPOOL_TRY(write_frames(commit, database, meta.segment), "store frames");
  JOULESPOOL_TRY(write_state(database, fresh), "store the state");
  SegmentMeta with_sum = meta;
  with_sum.state_sum = state_sum_ = sum_after();
  return save_meta(database, with_sum);
}

// Over the rows that the tables have when this commit is stored.
uint64_t CommitWriter::sum_after() const {
  StateSum sum;
  for (const auto& [sequence, stream] : changed_)
    if (!is_over(state_, sequence, stream)) sum.add(sequence, stream);
  for (const auto& [sequence, stream] : state_.streams)
    if (!changed_.contains(sequence)) sum.add(sequence, stream);
  for (const auto& [device, position] : positions_) sum.add(position);
  for (const auto& [device, position] : state_.positions)
    if (!positions_.contains(device)) sum.add(position);
  return sum.value();
}

Status CommitWriter::write_frames(const Commit& commit, Database& database, uint64_t segment) {
  for (const NewFrame& frame : commit.frames) {
    FrameInfo info = frame.info;
    info.size_bytes = frame.bytes.size();
    Stream& stream = change(info.id.sequence);
    JOULESPOOL_TRY(insert_frame(database, frame_key(stream.id, info.id.seq), info, frame.bytes),
                   "seq " + std::to_string(info.id.seq));
    append(stream, info, segment);
  }
  for (const StoredFrame& frame : moved_) {
    const wire::FrameId& id = frame.info.id;
    Stream& stream = change(id.sequence);
    JOULESPOOL_TRY(insert_frame(database, frame_key(stream.id, id.seq), frame.info, frame.bytes),
                   "seq " + std::to_string(id.seq));
    JOULESPOOL_TRY(move(stream, {id.seq, id.seq}, segment, segments_.row_reader(id.sequence, stream.id)), "move");
  }
  return {};
}

// Sequences of an older epoch that have no frames any more are forgotten.
Status CommitWriter::write_state(Database& database, bool fresh) {
  for (const auto& [sequence, stream] : changed_) {
    const auto before = state_.streams.find(sequence);
    const bool stored = !fresh && before != state_.streams.end();
    if (is_over(state_, sequence, stream)) {
      if (stored) JOULESPOOL_TRY(erase_stream(database, stream), name(sequence));
    } else {
      JOULESPOOL_TRY(save_stream(database, sequence, stream, stored ? &before->second : nullptr), name(sequence));
    }
  }
  for (const auto& [device, position] : positions_) JOULESPOOL_TRY(save_position(database, position), device);
  if (!fresh) return {};
  for (const auto& [sequence, stream] : state_.streams)
    if (!changed_.contains(sequence)) JOULESPOOL_TRY(save_stream(database, sequence, stream, nullptr), name(sequence));
  for (const auto& [device, position] : state_.positions)
    if (!positions_.contains(device)) JOULESPOOL_TRY(save_position(database, position), device);
  return {};
}

void CommitWriter::adopt_into(SpoolState& state) {
  std::set<wire::FrameSequence> over;  // by the state before, as in the tables
  for (const auto& [sequence, stream] : changed_)
    if (is_over(state, sequence, stream)) over.insert(sequence);
  for (auto& [sequence, stream] : changed_) {
    if (over.contains(sequence)) state.streams.erase(sequence);
    else state.streams.insert_or_assign(sequence, std::move(stream));
  }
  state.meta.state_sum = state_sum_;
  for (auto& [device, position] : positions_) state.positions.insert_or_assign(device, std::move(position));
}

}  // namespace joulespool::spool
