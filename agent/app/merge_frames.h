// Waiting frames of lane stat, read from the spool and merged into frames of the next level.
#pragma once

#include <span>
#include <vector>

#include "agent/app/coarsening.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

struct MergedFrames {
  std::vector<CoarseFrame> frames;         // to be stored, in the place of
  std::vector<spool::FrameInfo> replaced;  // these, which leave with the same commit
  std::vector<spool::FrameInfo> damaged;   // cannot be read: not merged
  std::vector<spool::FrameInfo>
      refused;  // can be read, but their windows fit no grid, or are coded in a way that nobody knows here
};

// `frames`: as RoomPlan::merge. Those that have left the spool are passed over. Errors: those of the spool.
Result<MergedFrames> merge_frames(spool::SpoolWriter& spool, std::span<const spool::FrameInfo> frames,
                                  const CoarseningSettings& settings);

// The frames for which this one stands: its header is read for it. None, if it cannot be read.
std::vector<wire::ReplacedFrames> replaced_by(spool::SpoolWriter& spool, const spool::FrameInfo& frame);

}  // namespace joulespool::app
