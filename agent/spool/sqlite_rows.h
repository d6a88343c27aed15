// The rows of the spool's tables as the contract's types; used by writer and reader.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "agent/spool/spool.h"
#include "agent/spool/sqlite_db.h"

namespace joulespool::spool {

// What is there of one sequence in one state.
struct StateTotals {
  uint64_t frames = 0;
  uint64_t bytes = 0;
  uint64_t seq_first = 0;  // 0 if none
};

// A row of `streams`.
struct Stream {
  int64_t id = 0;
  uint64_t next_seq = 1;
  std::array<StateTotals, 2> totals;
  [[nodiscard]] StateTotals& of(FrameState state) { return totals[static_cast<size_t>(state)]; }
  [[nodiscard]] const StateTotals& of(FrameState state) const { return totals[static_cast<size_t>(state)]; }
  // Of any state; 0 if none.
  [[nodiscard]] uint64_t seq_first() const;
};
using StreamTable = std::map<wire::FrameSequence, Stream>;

// Key of a frame. 2^40 frames are 3,000 years at ten a second.
constexpr int seq_bits = 40;
constexpr uint64_t seq_max = (uint64_t{1} << seq_bits) - 1;
constexpr int64_t frame_key(int64_t stream, uint64_t seq) { return (stream << seq_bits) | to_sql(seq); }
constexpr uint64_t key_seq(int64_t key) { return from_sql(key) & seq_max; }

// A row of `frames` without the bytes.
struct FrameRow {
  FrameInfo info;
  int64_t key = 0;
  uint32_t crc = 0;
};

// What to list: from seq_from on, in seq order; at least one frame if there is any. Then no frame that would pass bytes_max,
// and none after the one that reaches bytes_enough.
struct FrameQuery {
  uint64_t seq_from = 0;
  std::optional<FrameState> state;
  size_t frames_max = 0;
  uint64_t bytes_max = UINT64_MAX;
  uint64_t bytes_enough = UINT64_MAX;
};

// Errors of all: those of sqlite_error(); damaged for rows that cannot be.
Result<StreamTable> load_streams(Database& database);
Result<std::optional<Stream>> load_stream(Database& database, const wire::FrameSequence& sequence);
Status save_stream(Database& database, const wire::FrameSequence& sequence, const Stream& stream);
Result<std::vector<FrameRow>> list_frames(Database& database, const wire::FrameSequence& sequence, const Stream& stream,
                                          const FrameQuery& query);
// The row of one frame.
Result<std::optional<FrameRow>> find_frame(Database& database, const wire::FrameSequence& sequence, const Stream& stream,
                                           uint64_t seq);
// intact == false where the bytes do not match or cannot be read.
Result<StoredFrame> read_frame(Database& database, const FrameRow& row);
Status insert_frame(Database& database, int64_t key, const NewFrame& frame);
Result<std::vector<DevicePosition>> load_positions(Database& database);
Status save_position(Database& database, const DevicePosition& position);
// Lanes and payload_bytes of `usage`.
Result<Usage> usage_of(Database& database, const StreamTable& streams);

}  // namespace joulespool::spool
