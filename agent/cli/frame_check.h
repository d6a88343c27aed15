// Is a frame what it says it is? Pure.
#pragma once

#include <optional>

#include "agent/base/interval_set.h"
#include "agent/spool/spool.h"
#include "agent/wire/frame.h"

namespace joulespool::cli {

// Everything that can be known from a stored frame alone: the spool's checksum, the envelope, whether the spool and the header
// agree, whether the payload decodes, and whether counts and sums, computed anew from it, are those of the header. Returns
// what is wrong, nothing if all is well.
std::optional<std::string> check_frame(const spool::StoredFrame& frame);

// Why the numbers of a sequence that are not in the spool are not there.
enum class HoleCause {
  delivered,    // before the oldest frame that waits for upload: acked, or evicted from the front
  recorded,     // a gap record in the event lane says so
  replaced,     // a frame of the spool stands for them
  undecided,    // a gap record may say so that was delivered already
  unexplained,  // nothing says so
};
std::string_view to_string(HoleCause cause);

struct Hole {
  wire::SeqRange range;
  HoleCause cause = HoleCause::unexplained;
  bool operator==(const Hole&) const = default;
};

struct SequenceContent {
  IntervalSet present;            // seqs in the spool
  IntervalSet recorded;           // seqs that gap records in the spool name
  IntervalSet replaced;           // seqs that frames in the spool name in `replaces`
  uint64_t queued_seq_first = 0;  // oldest that waits for upload, 0 if none
  uint64_t seq_next = 1;
  bool records_complete = false;  // no event frame of the device that may name its frames has left the spool
};
std::vector<Hole> find_holes(const SequenceContent& content);

}  // namespace joulespool::cli
