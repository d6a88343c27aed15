#include "agent/wire/replaced_frames.h"

namespace joulespool::wire {

void ReplacedFrameSet::add(const FrameHeader& header) {
  if (header.lane != Lane::stat) return;
  for (const ReplacedFrames& frames : header.replaces)
    seqs_[{header.device.id, frames.epoch, header.lane}].insert(frames.seqs.first, frames.seqs.last + 1);
}

bool ReplacedFrameSet::contains(const FrameId& id) const { return of(id.sequence).contains(id.seq); }

const IntervalSet& ReplacedFrameSet::of(const FrameSequence& sequence) const {
  static const IntervalSet none;
  const auto at = seqs_.find(sequence);
  return at == seqs_.end() ? none : at->second;
}

}  // namespace joulespool::wire
