// Which frames go on to Kinesis, and under which partition key: duplicates are recognised, order per sequence is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>

#include "agent/base/interval_set.h"
#include "agent/wire/types.h"

namespace joulespool::route {

// A sequence as the bridge sees it. Two hosts may use the same device id (a unit that moved, a mistake): they do not mix.
struct SourceSequence {
  std::string host;
  wire::FrameSequence sequence;
  auto operator<=>(const SourceSequence&) const = default;
};

enum class Decision {
  accept,               // new and in order: hand it to Kinesis, then call on_accepted()
  duplicate_stored,     // Kinesis has it: acknowledge again
  duplicate_in_flight,  // on its way: its ack will come
  out_of_order,         // a frame before it is missing: drop it without an ack, the agent rewinds
};

// The partition key of a device's records: all lanes of a device share one shard and one place in the order of requests.
std::string partition_key(const wire::FrameSequence& sequence);

// Of a sequence, that many numbers below the highest are remembered as stored; it bounds memory when agents skip numbers
// (evicted frames), and is far more than an agent has unacknowledged at a time. A duplicate from further back is stored a
// second time, which readers drop.
constexpr uint64_t stored_span_max = 8192;

// A thousand devices with three lanes each, and as many again for restarts with new epochs; a few hundred bytes each.
constexpr size_t sequences_max_default = 8192;

// What is known of the sequences that were seen. One thread.
//
// The rule: `prev` is the number of the frame before this one that its agent still holds without an ack (0: none). A frame is
// accepted if `prev` was accepted before, that is prev <= highest accepted number: whatever lies between prev and seq was
// acknowledged or evicted, so nothing can be missing between them. A frame below the highest number that is neither stored nor
// in flight is accepted too: a bridge before this one stored it, but the ack was lost with it. It becomes a duplicate.
//
// Beyond sequences_max, the one unused for longest without frames in flight is forgotten. That is safe: it begins again like a
// sequence that a new bridge sees for the first time. Frames with prev > 0 are out of order until the agent rewinds and sends
// its first unacknowledged frame with prev = 0; frames that were stored already are stored twice, which readers drop.
class Router {
 public:
  explicit Router(size_t sequences_max = sequences_max_default) : sequences_max_(sequences_max) {}

  // Changes nothing but the order of use. `prev` < `seq`.
  Decision judge(const SourceSequence& source, uint64_t seq, uint64_t prev);
  // Must follow a judge() == accept of the same frame.
  void on_accepted(const SourceSequence& source, uint64_t seq);
  void on_stored(const SourceSequence& source, uint64_t seq);
  // Kinesis will never take it. If it comes again, it is accepted, and judged, again.
  void on_rejected(const SourceSequence& source, uint64_t seq);

  [[nodiscard]] size_t sequences() const { return states_.size(); }
  [[nodiscard]] uint64_t forgotten() const { return forgotten_; }

 private:
  using UseOrder = std::list<SourceSequence>;  // front: unused for longest
  struct State {
    uint64_t highest = 0;
    IntervalSet stored;
    std::set<uint64_t> in_flight;
    UseOrder::iterator use;
  };

  State& state_of(const SourceSequence& source);
  void forget_unused();

  std::map<SourceSequence, State> states_;
  UseOrder use_order_;
  size_t sequences_max_;
  uint64_t forgotten_ = 0;
};

}  // namespace joulespool::route
