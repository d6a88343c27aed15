#include "agent/spool/sqlite_commit.h"

#include <algorithm>
#include <string>

#include "agent/base/crc32c.h"

namespace joulespool::spool {
namespace {

std::string name(const wire::FrameSequence& sequence) {
  return sequence.device + "/" + std::string(wire::to_string(sequence.lane));
}

bool is_lane(wire::Lane lane) { return std::find(std::begin(wire::lanes), std::end(wire::lanes), lane) != std::end(wire::lanes); }

}  // namespace

Status CommitWriter::write(const Commit& commit, Quarantine& quarantine) {
  for (const auto& id : commit.set_aside) JOULESPOOL_TRY(set_aside(id, quarantine), "set aside");
  for (const auto& [sequence, range] : commit.stored) JOULESPOOL_TRY(remove(sequence, range, true), "remove what is stored");
  for (const auto& id : commit.dropped) JOULESPOOL_TRY(remove(id.sequence, {id.seq, id.seq}, false), "drop");
  for (const auto& sequence : changed_) JOULESPOOL_TRY(find_first(sequence), "find the oldest frame");
  for (const auto& frame : commit.frames) JOULESPOOL_TRY(add(frame), "store " + name(frame.info.id.sequence));
  for (const auto& sequence : changed_) JOULESPOOL_TRY(save_stream(database_, sequence, streams_.at(sequence)), "store totals");
  for (const auto& position : commit.positions) JOULESPOOL_TRY(save_position(database_, position), "store a position");
  return {};
}

Status CommitWriter::set_aside(const wire::FrameId& id, Quarantine& quarantine) {
  const auto stream = streams_.find(id.sequence);
  if (stream == streams_.end()) return {};
  auto row = find_frame(database_, id.sequence, stream->second, id.seq);
  if (!row) return row.error();
  if (!*row) return {};
  auto frame = read_frame(database_, **row);
  if (!frame) return frame.error();
  JOULESPOOL_TRY(quarantine.put(id, frame->intact ? "rejected" : "damaged", frame->bytes), "frame " + std::to_string(id.seq));
  return remove(id.sequence, {id.seq, id.seq}, false);
}

Status CommitWriter::remove(const wire::FrameSequence& sequence, wire::SeqRange range, bool queued_only) {
  const auto found = streams_.find(sequence);
  if (found == streams_.end()) return {};
  Stream& stream = found->second;
  range.last = std::min(range.last, stream.next_seq - 1);
  if (range.first > range.last) return {};
  Statement rows =
      database_.prepare("DELETE FROM frames WHERE key BETWEEN ?1 AND ?2 AND (?3 = 0 OR state = 0) RETURNING state, size");
  rows.start(frame_key(stream.id, range.first), frame_key(stream.id, range.last), uint32_t{queued_only});
  for (;;) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return {};
    changed_.insert(sequence);
    StateTotals& totals = stream.of(rows.integer(0) == 0 ? FrameState::queued : FrameState::kept);
    if (totals.frames == 0 || totals.bytes < rows.number(1)) return Error{Errc::damaged, "totals of " + name(sequence)};
    totals.frames -= 1;
    totals.bytes -= rows.number(1);
  }
}

// seq_first of both states, after rows have left: they only ever leave, so that the search starts at the one before.
Status CommitWriter::find_first(const wire::FrameSequence& sequence) {
  Stream& stream = streams_.at(sequence);
  for (const FrameState state : {FrameState::queued, FrameState::kept}) {
    StateTotals& totals = stream.of(state);
    auto first = list_frames(database_, sequence, stream, {totals.seq_first, state, 1});
    if (!first) return first.error();
    if (first->empty() != (totals.frames == 0)) return Error{Errc::damaged, "totals of " + name(sequence)};
    totals.seq_first = first->empty() ? 0 : first->front().info.id.seq;
  }
  return {};
}

Status CommitWriter::add(const NewFrame& frame) {
  auto found = stream_for(frame.info.id.sequence);
  if (!found) return found.error();
  Stream& stream = **found;
  const uint64_t seq = frame.info.id.seq;
  if (repeated_ && seq != 0 && seq < stream.next_seq) {
    auto there = is_there(frame, stream);
    if (!there) return there.error();
    if (*there) return {};
  }
  if (seq != stream.next_seq || seq > seq_max)
    return Error{Errc::usage, "seq " + std::to_string(seq) + " where " + std::to_string(stream.next_seq) + " is next"};
  JOULESPOOL_TRY(insert_frame(database_, frame_key(stream.id, seq), frame), "frame " + std::to_string(seq));
  StateTotals& totals = stream.of(frame.info.state);
  if (totals.frames == 0) totals.seq_first = seq;
  totals.frames += 1;
  totals.bytes += frame.bytes.size();
  stream.next_seq = seq + 1;
  changed_.insert(frame.info.id.sequence);
  return {};
}

Result<bool> CommitWriter::is_there(const NewFrame& frame, const Stream& stream) {
  auto row = find_frame(database_, frame.info.id.sequence, stream, frame.info.id.seq);
  if (!row) return row.error();
  return *row && (*row)->info.size_bytes == frame.bytes.size() && (*row)->crc == crc32c(frame.bytes);
}

Result<Stream*> CommitWriter::stream_for(const wire::FrameSequence& sequence) {
  if (sequence.epoch != epoch_) return Error{Errc::usage, "epoch " + std::to_string(sequence.epoch) + " is not this spool's"};
  if (!wire::is_valid_id(sequence.device)) return Error{Errc::usage, "no device id: '" + sequence.device + "'"};
  if (!is_lane(sequence.lane)) return Error{Errc::usage, "no lane"};
  const auto found = streams_.find(sequence);
  if (found != streams_.end()) return &found->second;
  Stream fresh;
  fresh.id = 1;
  for (const auto& [other, stream] : streams_) fresh.id = std::max(fresh.id, stream.id + 1);
  changed_.insert(sequence);
  return &streams_.emplace(sequence, fresh).first->second;
}

}  // namespace joulespool::spool
