// Frames of one lane in the order of their samples, without those for which another one stands.
#pragma once

#include <vector>

#include "agent/cli/frame_walk.h"
#include "agent/cli/time_flags.h"
#include "agent/spool/spool.h"

namespace joulespool::cli {

// seqs alone do not give that order: a frame of merged windows has a new seq, and an axis may go on in another epoch. So where
// every frame lies is listed first, without its bytes: 40 bytes of memory for each frame of the range, nothing else grows with
// it.
class FramePlan {
 public:
  // Frames of `lanes` (of one lane each, stat or wave) that may hold something of `range`: device after device, of each axis
  // after axis by their first time, of each by sample_id. Errors: the reader's.
  static Result<FramePlan> make(spool::SpoolReader& reader, const std::vector<spool::LaneUsage>& lanes, const TimeRange& range);

  [[nodiscard]] uint64_t frames() const { return frames_.size(); }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t samples() const { return samples_; }
  // Frames that were left out because another one, which is there, replaces them (agent/wire/FORMAT.md, section 3).
  [[nodiscard]] uint64_t replaced() const { return replaced_; }

  // In order. Frames that an agent took away meanwhile are passed over and counted in `gone`.
  Status walk(spool::SpoolReader& reader, const FrameVisitor& visit, uint64_t& gone) const;
  // The frames at the beginning and the end of each axis: one of them each is the first and the last that overlaps the range.
  [[nodiscard]] FramePlan borders() const;

 private:
  struct Place {
    uint64_t sample_id_first = 0;
    uint64_t sample_id_end = 0;
    uint64_t seq = 0;
    uint32_t sequence = 0;  // in sequences_
    uint32_t axis = 0;
    uint32_t size_bytes = 0;
    uint32_t samples = 0;
  };
  struct Axis {
    std::string device;
    uint64_t life = 0;
    int64_t utc_first_ns = INT64_MAX;
  };

  Status list(spool::SpoolReader& reader, const wire::FrameSequence& sequence, const TimeRange& range, std::vector<Axis>& axes);
  void sort(const std::vector<Axis>& axes);
  Status leave_out_replaced(spool::SpoolReader& reader);
  [[nodiscard]] std::vector<Place> overlapping() const;
  void count();
  static Status walk(spool::SpoolReader& reader, const std::vector<wire::FrameSequence>& sequences,
                     const std::vector<Place>& frames, const FrameVisitor& visit, uint64_t& gone);

  std::vector<wire::FrameSequence> sequences_;
  std::vector<Place> frames_;
  uint64_t bytes_ = 0;
  uint64_t samples_ = 0;
  uint64_t replaced_ = 0;
};

}  // namespace joulespool::cli
