// What has to leave the spool so that it stays within its budget. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/spool/extents.h"
#include "agent/spool/spool.h"

namespace joulespool::spool {

// Sizes that follow from the budget: a small spool must not consist of one segment and the reserve.
struct SpoolSizes {
  uint64_t segment_bytes = 0;     // of a segment's log, unless one commit is larger
  uint64_t reserve_bytes = 0;     // held back for a full disk
  uint64_t quarantine_bytes = 0;  // at most
};
SpoolSizes sizes_for(uint64_t budget_bytes);

// Disk space that frames take when they lie close together: rows and half-filled pages come on top of their bytes.
uint64_t disk_bytes_for(const Amount& frames);

// How many bytes of frames must leave so that `bytes_needed` more fit into the budget beside `other_bytes` (reserve, quarantine,
// what segments hold beyond frames). 0: none.
uint64_t bytes_over_budget(const Amount& frames, uint64_t other_bytes, uint64_t bytes_needed, uint64_t budget_bytes);

// Frames to drop to free `bytes`, or all there are, at most victims_max. `queues`: frames of one sequence and one state each,
// in seq order. Order: lane wave, then stat, never event; in a lane kept before queued; then the oldest by utc_first_ns, never
// out of seq order.
std::vector<FrameInfo> choose_victims(const std::vector<std::vector<FrameInfo>>& queues, uint64_t bytes);

}  // namespace joulespool::spool
