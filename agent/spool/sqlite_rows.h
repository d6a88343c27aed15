// The rows of a segment's tables as the contract's types.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/spool/extents.h"
#include "agent/spool/spool.h"
#include "agent/spool/sqlite_db.h"

namespace joulespool::spool {

// Key of a frame. 2^40 frames are 3,000 years at ten a second.
constexpr int seq_bits = 40;
constexpr uint64_t seq_max = (uint64_t{1} << seq_bits) - 1;
constexpr int64_t frame_key(int64_t stream, uint64_t seq) { return (stream << seq_bits) | to_sql(seq); }
constexpr uint64_t key_seq(int64_t key) { return from_sql(key) & seq_max; }

struct SegmentMeta {
  std::string host;
  uint64_t epoch = 0;
  uint64_t segment = 0;
  std::string boot;
  bool closed = false;
  uint64_t state_sum = 0;
  Wear wear = {};  // before the commit that wrote this
};

using PositionTable = std::map<std::string, DevicePosition>;  // by device id

// A row of `frames` without the bytes.
struct FrameRow {
  FrameInfo info;
  int64_t key = 0;
  uint32_t crc = 0;
};

// What the checksum of a frame's row covers.
enum class FrameCheck { row, bytes_only };

// Which rows to list, in seq order; at least one if there is any, none that would pass bytes_max after that.
struct FrameQuery {
  uint64_t seq_first = 1, seq_last = seq_max;
  size_t frames_max = SIZE_MAX;
  uint64_t bytes_max = UINT64_MAX;
};

// Errors of all: those of sqlite_error(); damaged for rows that cannot be or do not match their checksum.
Result<std::optional<SegmentMeta>> load_meta(Database& database);
Status save_meta(Database& database, const SegmentMeta& meta);

// Over every row of the three tables that say what the spool holds, in any order.
class StateSum {
 public:
  void add(const wire::FrameSequence& sequence, const Stream& stream);
  void add(const DevicePosition& position);
  [[nodiscard]] uint64_t value() const { return value_; }

 private:
  void add_row(uint32_t crc);
  uint64_t value_ = 0;
};

Result<StreamTable> load_streams(Database& database);
Result<std::optional<Stream>> load_stream(Database& database, const wire::FrameSequence& sequence);
// Its row, and those of its extents that differ from `before` (nullptr: none is stored).
Status save_stream(Database& database, const wire::FrameSequence& sequence, const Stream& stream, const Stream* before);
Status erase_stream(Database& database, const Stream& stream);

Result<PositionTable> load_positions(Database& database);
Result<PositionTable> load_positions_version_1(Database& database);  // without checksums
Status save_position(Database& database, const DevicePosition& position);

Result<std::vector<FrameRow>> list_frames(Database& database, const wire::FrameSequence& sequence, int64_t stream,
                                          const FrameQuery& query);
// intact == false where row or bytes do not match the checksum or cannot be read.
Result<StoredFrame> read_frame(Database& database, const FrameRow& row, FrameCheck check);
Status insert_frame(Database& database, int64_t key, const FrameInfo& info, wire::ByteView bytes);

}  // namespace joulespool::spool
