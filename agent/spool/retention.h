// What has to leave the spool so that it stays within its budget. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "agent/spool/extents.h"
#include "agent/spool/spool.h"

namespace joulespool::spool {

// Sizes that follow from the budget: a small spool must not consist of one segment and the reserve.
struct SpoolSizes {
  uint64_t segment_bytes = 0;     // of a segment's log, unless one commit is larger
  uint64_t reserve_bytes = 0;     // held back for a full disk
  uint64_t quarantine_bytes = 0;  // at most
  // Frames leave it free: the fuller segments are, the more frames have to be moved together to gain the same space. A commit of
  // this size fits before others have left for it.
  uint64_t slack_bytes = 0;
};
SpoolSizes sizes_for(const SpoolOptions& options);

// Disk space that frames take when they lie close together: rows and half-filled pages come on top of their bytes.
uint64_t disk_bytes_for(const Amount& frames);

// How many bytes of frames must leave so that `bytes_needed` more fit into the budget beside `other_bytes` (reserve, quarantine,
// what segments hold beyond frames). 0: none.
uint64_t bytes_over_budget(const Amount& frames, uint64_t other_bytes, uint64_t bytes_needed, uint64_t budget_bytes);

// Ways to free space, in the order in which they are tried until there is enough. Waveforms go before the windows lose
// resolution, unless they take no more than their share and the windows do. Energy goes last; events never.
enum class FreeingStep { drop_wave, merge_stat, drop_stat };
struct LaneLoad {
  uint64_t bytes = 0;        // on disk
  uint64_t share_bytes = 0;  // of the budget
};
std::array<FreeingStep, 3> freeing_steps(const LaneLoad& stat, const LaneLoad& wave);

// The level whose windows are merged next, nullopt: none has any. `bytes`: of the frames of each level that may be merged. Each
// level is to have twice as much room as the next longer one: most of a long outage is kept finely, and all of it somehow.
using LevelBytes = std::array<uint64_t, level_max + 1>;
std::optional<uint8_t> level_to_merge(const LevelBytes& bytes);

// Frames to drop to free `bytes`, or all there are, at most victims_max. `queues`: frames of one sequence and one state each,
// in seq order. Order: kept before queued; then the oldest by utc_first_ns, never out of seq order.
std::vector<FrameInfo> choose_victims(const std::vector<std::vector<FrameInfo>>& queues, uint64_t bytes);

}  // namespace joulespool::spool
