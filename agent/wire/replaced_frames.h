// Which frames are to be ignored because another one stands for them (FORMAT.md, section 3).
#pragma once

#include <map>

#include "agent/base/interval_set.h"
#include "agent/wire/frame.h"

namespace joulespool::wire {

// One thread at a time. Memory grows with the number of ranges in `replaces`, of which neighbours are joined.
class ReplacedFrameSet {
 public:
  // Takes note of `replaces`. Only frames of lane stat have it; elsewhere it says nothing.
  void add(const FrameHeader& header);
  // Does a frame that was added stand for this one? It may have come before that one or after it.
  [[nodiscard]] bool contains(const FrameId& id) const;
  [[nodiscard]] bool contains(const FrameHeader& header) const { return header.lane == Lane::stat && contains(header.id()); }
  // The numbers of one sequence.
  [[nodiscard]] const IntervalSet& of(const FrameSequence& sequence) const;

 private:
  std::map<FrameSequence, IntervalSet> seqs_;
};

}  // namespace joulespool::wire
