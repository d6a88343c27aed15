// Frames of a spool one after the other, for commands that read their bytes.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "agent/cli/command.h"
#include "agent/spool/spool.h"

namespace joulespool::cli {

// Which sequences are meant; what is unset means all.
struct SequenceFilter {
  std::string device, lane, epoch;  // as given on the command line; empty: all
  static std::shared_ptr<SequenceFilter> add(CLI::App& app, bool with_lane);
  // Errors: usage (no such lane, not an epoch), not_found (nothing in the spool fits).
  [[nodiscard]] Result<std::vector<spool::LaneUsage>> select(const spool::Usage& usage) const;
};

// False ends the walk.
using FrameVisitor = std::function<Result<bool>(const spool::StoredFrame&)>;

// Visits the frames of `sequence` with seq > after_seq in seq order, queued and kept ones together. Frames that an agent
// takes away meanwhile are left out. Errors: the reader's, or the visitor's.
Status walk_frames(spool::SpoolReader& reader, const wire::FrameSequence& sequence, uint64_t after_seq,
                   const FrameVisitor& visit);

// The same without the bytes: cheap.
Status walk_infos(spool::SpoolReader& reader, const wire::FrameSequence& sequence,
                  const std::function<void(const spool::FrameInfo&)>& visit);

}  // namespace joulespool::cli
