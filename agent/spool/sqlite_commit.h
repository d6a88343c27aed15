// One Commit on its way into a segment: first checked and worked out in memory, then written in one transaction.
#pragma once

#include <map>
#include <vector>

#include "agent/spool/quarantine.h"
#include "agent/spool/sqlite_schema.h"
#include "agent/spool/sqlite_segments.h"

namespace joulespool::spool {

// A sequence of an older epoch without frames can be forgotten; but not the one with the highest id, because an id is never used
// twice.
bool is_over(const SpoolState& state, const wire::FrameSequence& sequence, const Stream& stream);

// What the state takes of a segment's log when the segment begins, at most.
uint64_t snapshot_bytes(const SpoolState& state);
// What a commit takes of it, of a new one's too, at most.
uint64_t log_bytes_max(const SpoolState& state, const Commit& commit);

// Works beside `state`, which its user adopts after the transaction is committed; both must outlive it.
class CommitWriter {
 public:
  CommitWriter(const SpoolState& state, SegmentSet& segments) : state_(state), segments_(segments) {}

  // Numbers are checked, what leaves is taken out, frames to set aside are put into `quarantine`.
  // Errors: usage (a frame that is not the next of its sequence), those of reading and of Quarantine::put().
  Status prepare(const Commit& commit, Quarantine& quarantine);
  // What each segment holds after this commit; one without frames is not in it. Frames to move are still where they were.
  [[nodiscard]] SegmentAmounts amounts() const;
  // Frames of `segment`, about `bytes_max` of them, will be written again with this commit, so that the segment can go.
  Status prepare_move(uint64_t segment, uint64_t bytes_max);
  // prepare_move() met a frame that cannot be read: those before it are moved.
  [[nodiscard]] bool found_unreadable() const { return found_unreadable_; }

  [[nodiscard]] uint64_t moved_bytes() const { return moved_bytes_; }
  // log_bytes_max() with what is moved.
  [[nodiscard]] uint64_t log_bytes() const { return log_bytes_; }
  // Of the commit's frames.
  [[nodiscard]] uint64_t appended_bytes() const { return appended_bytes_; }

  // Inside a transaction. `fresh`: the segment is new, and gets everything; else what this commit changes.
  Status write(const Commit& commit, Database& database, const SegmentMeta& meta, bool fresh);
  void adopt_into(SpoolState& state);

 private:
  Status drop(const std::vector<wire::FrameId>& dropped);
  Status set_aside(const wire::FrameId& id, Quarantine& quarantine);
  Status take_out(const wire::FrameSequence& sequence, wire::SeqRange range, bool queued_only);
  Status check(const NewFrame& frame);
  Status write_frames(const Commit& commit, Database& database, uint64_t segment);
  Status write_state(Database& database, bool fresh);
  [[nodiscard]] uint64_t sum_after() const;
  [[nodiscard]] const Stream* find(const wire::FrameSequence& sequence) const;
  Stream& change(const wire::FrameSequence& sequence);

  const SpoolState& state_;
  SegmentSet& segments_;
  std::map<wire::FrameSequence, Stream> changed_;
  std::map<wire::FrameSequence, uint64_t> next_seq_;  // behind the frames checked so far
  std::vector<StoredFrame> moved_;
  PositionTable positions_;  // those of this commit
  bool found_unreadable_ = false;
  uint64_t log_bytes_ = 0, appended_bytes_ = 0, moved_bytes_ = 0, state_sum_ = 0;
};

}  // namespace joulespool::spool
