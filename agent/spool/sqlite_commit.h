// Writes one Commit inside a transaction that is open.
#pragma once

#include <set>

#include "agent/spool/quarantine.h"
#include "agent/spool/sqlite_rows.h"

namespace joulespool::spool {

// Works on a copy of the table of streams, which the caller adopts after the transaction is committed.
class CommitWriter {
 public:
  // `repeated`: the commit before this one ended in an error after which it may still have been stored; frames that are there
  // already, byte for byte, are then taken as this commit's.
  CommitWriter(Database& database, StreamTable streams, uint64_t epoch, bool repeated)
      : database_(database), streams_(std::move(streams)), epoch_(epoch), repeated_(repeated) {}

  // What leaves goes first, so that what comes finds its pages free. Set-aside frames are in `quarantine` before their rows go.
  // Errors: usage (a frame that is not the next of its sequence), those of sqlite_error() and Quarantine::put().
  Status write(const Commit& commit, Quarantine& quarantine);
  [[nodiscard]] StreamTable& streams() { return streams_; }

 private:
  Status set_aside(const wire::FrameId& id, Quarantine& quarantine);
  Status remove(const wire::FrameSequence& sequence, wire::SeqRange range, bool queued_only);
  Status find_first(const wire::FrameSequence& sequence);
  Status add(const NewFrame& frame);
  Result<bool> is_there(const NewFrame& frame, const Stream& stream);
  Result<Stream*> stream_for(const wire::FrameSequence& sequence);

  Database& database_;
  StreamTable streams_;
  std::set<wire::FrameSequence> changed_;
  uint64_t epoch_;
  bool repeated_;
};

}  // namespace joulespool::spool
