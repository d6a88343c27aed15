// Decides which frame of the spool is published next, and which has to be published again. Pure: no threads, no clock, no I/O.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/interval_set.h"
#include "agent/mqtt/message_bus.h"
#include "agent/spool/spool.h"
#include "agent/uplink/far_end.h"
#include "agent/wire/ack.h"

namespace joulespool::uplink {

struct DrainSettings {
  // Frames (and their bytes) that are published and not acked. Lane wave uses at most 3/4 of it and stat 7/8, so that a
  // backlog of waveforms never holds up a gap record. One frame is always allowed, however large.
  size_t window_frames = 512;
  size_t window_bytes = 8 * 1024 * 1024;
  // Time without progress at the head of a sequence until it is sent again; doubles with every time in vain.
  int64_t ack_timeout_ns = 5 * ns_per_s;
  int64_t ack_timeout_max_ns = 60 * ns_per_s;
};

struct ReadRequest {
  wire::FrameSequence sequence;
  uint64_t after_seq = 0;
  size_t frames_max = 0;
  size_t bytes_max = 0;
};

// What to do with a frame that was read.
struct Offer {
  enum class Verdict { publish, skip, wait } verdict = Verdict::skip;  // wait: no room; it will be asked for again
  uint64_t token = 0;                                                  // publish: comes back in published()
  uint64_t previous = 0;                                               // publish: the user property wire::previous_property
};

struct DrainCounts {
  uint64_t frames_published = 0, bytes_published = 0;  // every time counts
  uint64_t frames_resent = 0;                          // of these, not for the first time
  uint64_t frames_acked = 0;
  uint64_t frames_rejected = 0;    // by the bridge
  uint64_t publishes_refused = 0;  // by the broker
  uint64_t timeouts = 0;           // sequences sent again for want of an ack
  uint64_t acks_unknown = 0;       // entries about frames that we do not have
};

// Every time is of one monotonic clock. Frames of one sequence are published in seq order; after a loss the sequence goes
// back to its oldest frame without an ack (go-back-N), so that the bridge, which takes frames in order only, gets them.
class Drain {
 public:
  Drain(const DrainSettings& settings, unsigned part) : settings_(settings), far_end_(part) {}

  // What happened.
  void connected(uint16_t receive_maximum);
  void disconnected();
  void bridge_said(const std::string& bridge, const wire::BridgeState& state);
  void bridge_removed(const std::string& bridge) { far_end_.remove(bridge); }
  // The broker has the publish, or refused it (or it could not be given to it). Unknown tokens are ignored.
  void published(uint64_t token, bool ok, int64_t now_ns);
  void acked(const std::vector<wire::AckEntry>& entries, int64_t now_ns);
  // What the spool holds now (SpoolReader::usage): new frames may be read, acked ones that left it are forgotten.
  void spool_holds(const std::vector<spool::LaneUsage>& lanes, uint64_t present_epoch);
  void tick(int64_t now_ns);

  // What to do. Ask again until there is nothing; every request is answered by offer() or damaged() for each frame in the
  // order of reading (until a wait), or by nothing_there().
  std::optional<ReadRequest> next(int64_t now_ns);
  Offer offer(const wire::FrameId& id, size_t bytes, int64_t now_ns);
  // The frame cannot be published. True the first time it is said of this frame.
  bool damaged(const wire::FrameId& id);
  void nothing_there(const ReadRequest& request);
  // A token for a message that is no frame (state, event); nothing while as many publishes are under way as may be.
  std::optional<uint64_t> control_token(int64_t now_ns);
  // Frames that Kinesis has and the spool need not keep; frames that never will be there, with the reason. Each once.
  std::vector<std::pair<wire::FrameSequence, wire::SeqRange>> take_stored() { return std::exchange(stored_, {}); }
  std::vector<std::pair<wire::FrameId, std::string>> take_rejected() { return std::exchange(rejected_, {}); }

  // When tick() or next() has something to do even if nothing happens.
  [[nodiscard]] std::optional<int64_t> deadline_ns() const;
  // When the oldest publish without an answer of the broker was made.
  [[nodiscard]] std::optional<int64_t> oldest_publish_ns() const;
  [[nodiscard]] const FarEnd& far_end() const { return far_end_; }
  [[nodiscard]] const DrainCounts& counts() const { return counts_; }
  [[nodiscard]] size_t frames_unacked() const { return frames_unacked_; }
  [[nodiscard]] size_t bytes_unacked() const { return bytes_unacked_; }
  [[nodiscard]] size_t publishes_under_way() const { return publishes_.size(); }

 private:
  struct Flight {
    size_t bytes = 0;
    uint64_t token = 0;
    // When the broker had it; unset before that. The ack's time runs from here: on a slow line the publish itself may take
    // longer than that, and sending again would only lengthen the queue.
    std::optional<int64_t> arrived_ns;
  };
  struct Sequence {
    wire::FrameSequence id;
    uint64_t held_from = 1, seq_next = 1;  // the spool has nothing below, nor from there on
    uint64_t queued_frames = 0;
    bool is_present_epoch = false;
    int64_t oldest_utc_ns = 0;
    uint64_t cursor = 0;  // last seq that was published or skipped
    uint64_t published_max = 0;
    size_t next_bytes = 0;               // size of the frame after the cursor, if known
    std::map<uint64_t, Flight> flights;  // published since the last rewind, without an ack; all <= cursor
    IntervalSet done;                    // acked, rejected or damaged, but maybe still in the spool
    int64_t ack_timeout_ns = 0;
    int64_t progress_ns = INT64_MIN;       // when the oldest flight was last acked
    int64_t blocked_until_ns = INT64_MIN;  // after a refusal
  };
  struct Publish {
    std::optional<wire::FrameId> frame;  // unset: control message
    int64_t at_ns = 0;
  };

  using Flights = std::map<uint64_t, Flight>;
  Sequence* find(const wire::FrameSequence& id);
  [[nodiscard]] bool has_room(const Sequence& sequence, size_t bytes) const;
  [[nodiscard]] bool has_turn(const Sequence& sequence, int64_t now_ns) const;
  [[nodiscard]] bool is_before(const Sequence& a, const Sequence& b) const;
  static void skip_done(Sequence& sequence);
  void rewind(Sequence& sequence);
  void rewind_all();
  void lengthen_timeout(Sequence& sequence) const;
  Flights::iterator land(Sequence& sequence, Flights::iterator flight);
  void store(Sequence& sequence, const wire::SeqRange& range, int64_t now_ns);
  void reject(Sequence& sequence, const wire::Rejection& rejection);
  [[nodiscard]] std::optional<int64_t> ack_deadline_ns(const Sequence& sequence) const;

  const DrainSettings settings_;
  FarEnd far_end_;
  bool connected_ = false;
  size_t publishes_max_ = 0;
  uint64_t next_token_ = 1, turn_ = 0;
  std::map<uint64_t, Publish> publishes_;  // without an answer of the broker
  std::map<wire::FrameSequence, Sequence> sequences_;
  std::map<std::pair<std::string, wire::Lane>, uint64_t> turns_;  // when a device's lane had its last turn
  size_t frames_unacked_ = 0, bytes_unacked_ = 0;
  std::vector<std::pair<wire::FrameSequence, wire::SeqRange>> stored_;
  std::vector<std::pair<wire::FrameId, std::string>> rejected_;
  DrainCounts counts_;
};

}  // namespace joulespool::uplink
