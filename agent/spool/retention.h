// What has to leave the spool so that it stays within its budget. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/spool/spool.h"

namespace joulespool::spool {

// Sizes that follow from the budget: a small spool must not consist of log and reserve.
struct SpoolSizes {
  uint64_t reserve_bytes = 0;     // held back for a full disk
  uint64_t log_frames = 0;        // the write-ahead log is copied into the database above so many pages
  uint64_t growth_bytes = 0;      // the database file grows in steps of this
  uint64_t quarantine_bytes = 0;  // at most
};
SpoolSizes sizes_for(uint64_t budget_bytes, uint64_t page_bytes);

// What a spool directory takes.
struct SpaceTaken {
  uint64_t database_bytes = 0;  // pages in use: those on the freelist are used again before the file grows
  uint64_t log_bytes = 0;       // the write-ahead log, as large as it may become until the next checkpoint
  uint64_t other_bytes = 0;     // reserve (also when it is given up for now), index of the log, quarantine, lock
};
// How many bytes of frames must leave so that `bytes_needed` more fit into the budget. 0: none.
uint64_t bytes_over_budget(const SpaceTaken& taken, uint64_t bytes_needed, uint64_t budget_bytes);

// Frames to drop to free `bytes`, or all there are, at most victims_max. `queues`: frames of one sequence and one state each,
// in seq order. Order: lane wave, then stat, never event; in a lane kept before queued; then the oldest by utc_first_ns, never
// out of seq order.
std::vector<FrameInfo> choose_victims(const std::vector<std::vector<FrameInfo>>& queues, uint64_t bytes);

}  // namespace joulespool::spool
