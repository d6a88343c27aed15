// Finds out what a spool directory holds: the state in its newest segment that has one, and what frames say that lie behind it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/spool/adoption.h"
#include "agent/spool/spool.h"
#include "agent/spool/sqlite_schema.h"

namespace joulespool::spool {

// A segment (segment_of_version_1: spool.db) that should have a state and has none.
struct UnreadSegment {
  uint64_t number = 0;
  std::string why;
};

struct FoundState {
  SpoolState state;
  bool was_there = false;               // else there was nothing
  bool is_known = false;                // a state was read; else it is what frames say
  bool extended = false;                // frames behind it were taken over
  bool damaged = false;                 // of what counts, something cannot be read
  std::vector<UnreadSegment> unusable;  // nothing of them was used
  std::vector<std::string> notices;     // what a person should know
};

// Frames of segments whose state cannot be read are found row by row, the newest segments first, until those looked at have this
// many bytes; the others are unusable.
struct SearchLimits {
  // Which boot of the machine this is: a transaction that another one may have torn does not count. None: whatever there is
  // counts.
  std::optional<std::string> boot;
  uint64_t scan_bytes_max = UINT64_MAX;
};

// Changes nothing. Errors: unreachable (not a spool, newer version, I/O).
Result<FoundState> find_state(const std::string& directory, const SearchLimits& limits);

// Every frame of a damaged segment that is a frame by its own checksums, too. `known`: streams that the numbers in it may mean.
// Errors: unreachable (I/O).
Status find_frames(const std::string& database, uint64_t segment, const StreamTable& known, FoundTable& found, std::string& host);

struct LoadedSpool {
  SpoolState state;
  bool was_there = false;            // else it is new
  uint64_t newest_number = 0;        // no segment has a higher one
  std::vector<std::string> notices;  // what a person should know
};

// For a writer: find_state(), with what is unusable moved aside. A new spool, or one that was not closed and comes after another
// boot, or one with damage, has a new epoch: what a medium that confirms writes it has not made (or a damaged log) may have lost
// is then never used for something else.
// Errors: usage (another host's spool), unreachable (not a spool, newer version, I/O), full.
Result<LoadedSpool> load_newest(const SpoolOptions& options);

}  // namespace joulespool::spool
