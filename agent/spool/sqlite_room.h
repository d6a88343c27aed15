// Which frames have to leave the spool, from what its extents say; rows are read only of those that do.
#pragma once

#include "agent/spool/sqlite_schema.h"
#include "agent/spool/sqlite_segments.h"

namespace joulespool::spool {

// `other_bytes`: what the directory takes beside frames. Errors: those of reading.
Result<RoomPlan> plan_room(const SpoolState& state, SegmentSet& segments, const SpoolOptions& options, const RoomRequest& request,
                           uint64_t other_bytes);

}  // namespace joulespool::spool
