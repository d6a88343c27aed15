// Gap records for frames that leave a spool without having arrived, and what writes them where no agent runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/app/device_pipeline.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

// The record of one frame, to stand in lane event of epoch `present_epoch`.
wire::Gap gap_of(const spool::FrameInfo& frame, uint64_t present_epoch, wire::GapReason reason, const std::string& detail);

// Extends `last` by `next` where the frames and their samples follow each other: one record then stands for both. False: it does
// not, and nothing has changed.
bool extend(wire::Gap& last, const wire::Gap& next);

NextSeqs next_seqs(const spool::SpoolWriter& spool, const std::string& device);

// A pipeline for each device that the spool knows: to record what becomes of its frames, not for samples. Frames of other devices
// cannot be recorded. Errors: those of the spool.
Result<std::vector<std::unique_ptr<DevicePipeline>>> pipelines_of_stored_devices(spool::SpoolWriter& spool,
                                                                                 const std::string& host);

}  // namespace joulespool::app
