// Frames that a person wants gone: which they are, and dropping them with their gap records.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/interval_set.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

// What would go of one sequence.
struct PurgePart {
  wire::FrameSequence sequence;
  IntervalSet seqs;
  uint64_t bytes = 0;
  uint64_t unsent_frames = 0, unsent_bytes = 0;  // of these, those that wait for upload
  int64_t utc_first_ns = 0, utc_end_ns = 0;      // 0: not known

  [[nodiscard]] uint64_t frames() const { return seqs.size(); }
};

struct PurgePlan {
  std::vector<PurgePart> parts;      // in which there is something
  uint64_t frames_without_time = 0;  // that stay because of it
};

// All frames of these sequences; with `before_utc_ns` those of them that end then or earlier. Frames without a time never do.
// Reads only.
Result<PurgePlan> plan_purge(spool::SpoolReader& reader, const std::vector<wire::FrameSequence>& sequences,
                             std::optional<int64_t> before_utc_ns = {});

struct PurgeCounts {
  uint64_t frames = 0, bytes = 0;
  uint64_t unsent_frames = 0;  // of these; a gap record (reason evicted) tells of each
};

// Drops the frames of `plan` that are still there. Each transaction of some frames has their gap record with it, in the present
// epoch. `reader` must see what `writer` commits. `detail`: of the records. `on_progress`: called with what is done so far.
// Errors: those of the spool, with what was dropped before; damaged, before anything changes, where frames wait of a device of
// which the spool knows no more, so that nothing could be recorded.
Result<PurgeCounts> purge_frames(spool::SpoolWriter& writer, spool::SpoolReader& reader, const PurgePlan& plan,
                                 const std::string& detail, Clock& clock,
                                 const std::function<void(const PurgeCounts&)>& on_progress = {});

}  // namespace joulespool::app
