// Finds out what a spool directory holds: the state in its newest segment that has one.
#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/spool/spool.h"
#include "agent/spool/sqlite_schema.h"

namespace joulespool::spool {

struct LoadedSpool {
  SpoolState state;
  bool was_there = false;            // else it is new
  uint64_t newest_number = 0;        // no segment has a higher one
  std::vector<std::string> notices;  // what a person should know
};

// For a writer. A new spool, or one that was not closed and comes after another boot, or one with damage, has a new epoch: what a
// medium that confirms writes it has not made (or a damaged log) may have lost is then never used for something else. A damaged
// newest segment is moved aside, and the one before counts.
// Errors: usage (another host's spool), unreachable (not a spool, newer version, I/O), full.
Result<LoadedSpool> load_newest(const SpoolOptions& options);

}  // namespace joulespool::spool
