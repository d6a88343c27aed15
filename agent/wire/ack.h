// What the bridge tells a host: which frames Kinesis has stored. Bytes: ack.proto.
#pragma once

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::wire {

struct Rejection {
  uint64_t seq = 0;
  std::string reason;
  bool operator==(const Rejection&) const = default;
};

struct AckEntry {
  FrameSequence sequence;
  std::vector<SeqRange> stored;
  std::vector<Rejection> rejected;
  bool operator==(const AckEntry&) const = default;
};

constexpr size_t ack_bytes_max = 256 * 1024;  // larger messages on an ack topic are refused unread

Bytes write_ack(const std::vector<AckEntry>& entries);
// Refuses ranges with first == 0 or last < first, unknown lanes, and more than ack_bytes_max.
Result<std::vector<AckEntry>> read_ack(ByteView bytes);

}  // namespace joulespool::wire
