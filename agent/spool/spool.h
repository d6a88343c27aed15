// The durable queue: frames wait here until the bridge says that Kinesis has them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/event.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

// queued: to be uploaded, leaves on the bridge's ack. kept: stays on the host until the retention policy needs the room.
enum class FrameState : uint8_t { queued = 0, kept = 1 };

// What the spool knows of a frame without opening it.
struct FrameInfo {
  wire::FrameId id;
  FrameState state = FrameState::queued;
  uint64_t axis = 0;
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  int64_t utc_first_ns = 0;
  int64_t utc_end_ns = 0;
  uint64_t samples = 0;  // FrameHeader::samples
  uint64_t size_bytes = 0;
  uint8_t level = 0;  // lane stat: how often its windows were merged into longer ones; at most level_max
};

struct NewFrame {
  FrameInfo info;  // size_bytes is taken from `bytes`
  wire::Bytes bytes;
};

struct StoredFrame {
  FrameInfo info;
  wire::Bytes bytes;
  bool intact = true;  // false: the bytes no longer match the checksum taken when they were stored
};

// How far a device has come, stored in the same transaction as its frames: after a crash, everything from sample_id_end on
// is not in the spool.
struct DevicePosition {
  wire::DeviceIdentity device;
  wire::TimeAxis axis;
  uint64_t sample_id_end = 0;
  wire::UtcMap utc;
  wire::Totals totals;
};

// Bytes of all frames of one commit, at most: what the write-ahead log can take without growing its index (docs/spool.md).
constexpr uint64_t commit_bytes_max = 64ULL * 1024 * 1024;
// make_room() names at most so many frames per call: a transaction has to stay small.
constexpr size_t victims_max = 8000;
// With each level the windows of lane stat are ten times as long: 1 ms, 10 ms, 100 ms, 1 s.
constexpr uint8_t level_max = 3;
constexpr unsigned level_factor = 10;

// One transaction: all of it is durable (survives a power cut) when commit() returns ok, or none of it is visible.
struct Commit {
  std::vector<NewFrame> frames;           // each with the next seq of its sequence
  std::vector<DevicePosition> positions;  // replace those stored
  // Acked: queued frames that leave; unknown ones are ignored.
  std::vector<std::pair<wire::FrameSequence, wire::SeqRange>> stored;
  std::vector<wire::FrameId> dropped;    // evicted or damaged frames that leave; `frames` holds their gap record
  std::vector<wire::FrameId> set_aside;  // damaged or rejected frames: moved to the quarantine, bytes kept for people
  [[nodiscard]] bool empty() const {
    return frames.empty() && positions.empty() && stored.empty() && dropped.empty() && set_aside.empty();
  }
};

struct LaneUsage {
  wire::FrameSequence sequence;
  uint64_t queued_frames = 0, queued_bytes = 0;
  uint64_t kept_frames = 0, kept_bytes = 0;
  uint64_t seq_first = 0;  // oldest frame there, 0 if none
  uint64_t seq_next = 1;   // of the next frame to come
  int64_t oldest_queued_utc_ns = 0;
  int64_t utc_first_ns = 0, utc_end_ns = 0;  // time covered by the frames there
};

// What the spool has cost its medium so far, also in earlier runs.
struct Wear {
  uint64_t appended_bytes = 0;  // of frames, as they came
  uint64_t written_bytes = 0;   // to files: pages of the log and all that comes with them, but not the file system's own
  int64_t since_utc_ns = 0;     // when counting began, by the host's clock
};

struct Usage {
  std::vector<LaneUsage> lanes;
  Wear wear;
  uint64_t payload_bytes = 0;  // of all frames
  uint64_t disk_bytes = 0;     // allocated on disk, all files
  uint64_t quarantined_frames = 0;
};

// What a coming commit needs of the budget.
struct RoomRequest {
  uint64_t bytes = 0;      // of the frames to come
  int64_t now_utc_ns = 0;  // for age limits; 0: the clock is not set, there are none
  // Up to these, frames may have been published: they are dropped, if need be, but not merged.
  std::map<wire::FrameSequence, uint64_t> published = {};
};
// Frames that have to leave for it.
struct RoomPlan {
  std::vector<FrameInfo> drop;  // the oldest first; event frames are never among them
  // Waiting frames of lane stat, of one sequence, level and axis, in seq order: their windows are to be merged into longer ones,
  // so that frames of the next level take their place.
  std::vector<FrameInfo> merge;
  [[nodiscard]] bool empty() const { return drop.empty() && merge.empty(); }
};

// Reads beside a writer, in this or another process. One thread at a time.
class SpoolReader {
 public:
  virtual ~SpoolReader() = default;
  [[nodiscard]] virtual std::string host() const = 0;
  [[nodiscard]] virtual uint64_t epoch() const = 0;
  // Frames of `sequence` in `state` (nullopt: any) with seq > after_seq in seq order; at least one if there is any, then up to
  // the limits. Bytes of damaged frames come with intact == false (empty, if they cannot be read at all).
  virtual Result<std::vector<StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq,
                                                std::optional<FrameState> state, size_t frames_max, size_t bytes_max) = 0;
  // The same without the bytes (cheap), queued and kept ones.
  virtual Result<std::vector<FrameInfo>> list(const wire::FrameSequence& sequence, uint64_t after_seq, size_t frames_max) = 0;
  virtual Result<Usage> usage() = 0;
  virtual Result<std::vector<DevicePosition>> positions() = 0;
};

// The one writer of a spool. One thread at a time. Holds a lock on the directory; the kernel releases it with the process.
class SpoolWriter {
 public:
  virtual ~SpoolWriter() = default;
  [[nodiscard]] virtual uint64_t epoch() const = 0;
  // The seq that the next frame of this sequence must have.
  [[nodiscard]] virtual uint64_t next_seq(const wire::FrameSequence& sequence) const = 0;
  // Errors: full (no space on disk; nothing changed), usage (wrong seq, too many bytes: our bug; nothing changed),
  // unreachable (I/O, damage: the next commit begins a new segment). After unreachable a commit may turn out to be stored:
  // give it again (frames that are there already are recognised) or call positions(), after which next_seq() is right.
  virtual Status commit(const Commit& commit) = 0;
  // What is known of one frame. Errors: not_found.
  virtual Result<FrameInfo> find(const wire::FrameId& id) = 0;
  // What must leave so that the spool stays within its budget and its age limits (retention.h says what goes first). More leaves
  // than is needed at once, so that gap records stay few. Ask before every commit.
  virtual Result<RoomPlan> make_room(const RoomRequest& request) = 0;
  // As SpoolReader::read().
  virtual Result<std::vector<StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq,
                                                std::optional<FrameState> state, size_t frames_max, size_t bytes_max) = 0;
  virtual Result<Usage> usage() = 0;
  virtual Result<std::vector<DevicePosition>> positions() = 0;
  // What a person should know and no return value said ("spool.db was damaged: moved to /x/damaged-1"); each once.
  virtual std::vector<std::string> take_notices() { return {}; }
};

// Limits of one lane.
struct LaneRetention {
  // Of the budget, in percent: as long as a lane takes no more, other lanes that take more than theirs make room first.
  unsigned share_percent = 0;
  int64_t age_max_ns = 0;  // older frames are dropped; 0: no limit
};

struct SpoolOptions {
  std::string directory;
  std::string host;                               // written into a new spool; an existing one must have the same
  uint64_t budget_bytes = 1024ULL * 1024 * 1024;  // for everything in the directory
  LaneRetention stat = {}, wave = {};
  uint64_t segment_bytes = 0;  // of a segment's log; 0: by the budget
  std::string boot = {};       // which boot of the machine this is; empty: the kernel is asked
};

}  // namespace joulespool::spool
