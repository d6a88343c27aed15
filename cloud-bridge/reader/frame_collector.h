// Records of a stream -> checked frames, each once, in seq order.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <vector>

#include "agent/base/interval_set.h"
#include "agent/wire/frame.h"
#include "cloud-bridge/sink/record_sink.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::reader {

// A frame with its memory.
struct CollectedFrame {
  wire::Bytes bytes;  // the whole frame, as stored
  wire::FrameHeader header;
  size_t payload_at = 0;
  int64_t arrival_utc_ns = 0;
  bool late = false;  // a frame of this sequence with a higher seq was handed on before it

  [[nodiscard]] wire::ByteView payload() const { return wire::ByteView(bytes).subspan(payload_at); }
};

// How long a frame waits for those before it. Kinesis stores a sequence in order, except inside one PutRecords request that
// failed in part (agent/wire/FORMAT.md, Order): a frame that is further back than one request holds will not come any more.
struct CollectorLimits {
  size_t held_frames_max = sink::records_per_request_max;  // per sequence; 0: hand on at once, in the order of arrival
  size_t held_bytes_max = sink::request_bytes_max;         // per sequence
};

struct CollectorCounters {
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t frames = 0;      // good ones, each once
  uint64_t duplicates = 0;  // second copies, dropped
  uint64_t late = 0;
  uint64_t wrong_key = 0;                                    // the partition key is not the device of the frame; dropped
  std::array<uint64_t, wire::frame_defect_count> damaged{};  // by FrameDefect; dropped

  [[nodiscard]] uint64_t damaged_total() const;
};

// One thread at a time.
class FrameCollector {
 public:
  // Called from add() and finish() with each frame once; per sequence with rising seq, except frames marked late.
  using Receiver = std::function<void(const CollectedFrame&)>;
  FrameCollector(Receiver receiver, CollectorLimits limits = {});

  void add(sink::StoredRecord&& record);
  // Hands on all that still waits. Frames may be added after it; they are late where they belong before what was handed on.
  void finish();

  [[nodiscard]] const CollectorCounters& counters() const { return counters_; }
  // Numbers between 1 and the highest seen that have not come. Not all of them are losses: Gap records, merged frames
  // and Started.lanes explain some (completeness.h).
  [[nodiscard]] std::map<wire::FrameSequence, std::vector<wire::SeqRange>> holes() const;
  // Second copies of one device's frames.
  [[nodiscard]] uint64_t duplicates(const std::string& device) const;
  // Frames that wait now, of all sequences.
  [[nodiscard]] size_t held_frames() const;

 private:
  struct Sequence {
    IntervalSet seen;
    uint64_t next = 1;  // everything below was handed on or given up
    uint64_t highest = 0;
    std::map<uint64_t, CollectedFrame> held;
    size_t held_bytes = 0;
    uint64_t duplicates = 0;
  };
  void place(Sequence& sequence, CollectedFrame&& frame);
  void hand_on_front(Sequence& sequence);
  void hand_on_ready(Sequence& sequence);
  [[nodiscard]] bool over_limit(const Sequence& sequence) const;

  Receiver receiver_;
  const CollectorLimits limits_;
  CollectorCounters counters_;
  std::map<wire::FrameSequence, Sequence> sequences_;
};

}  // namespace joulespool::reader
