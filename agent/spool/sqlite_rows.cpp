#include "agent/spool/sqlite_rows.h"

#include <algorithm>
#include <utility>

#include "agent/base/crc32c.h"

namespace joulespool::spool {
namespace {

constexpr std::string_view select_streams =
    "SELECT id, next_seq, queued_frames, queued_bytes, queued_seq_first, kept_frames, kept_bytes, kept_seq_first, device, epoch,"
    " lane FROM streams";
constexpr std::string_view frame_columns =
    "key, state, axis, sample_id_first, sample_id_end, utc_first_ns, utc_end_ns, samples, size, crc32c";

Stream stream_of(const Statement& row) {
  Stream stream;
  stream.id = row.integer(0);
  stream.next_seq = row.number(1);
  stream.of(FrameState::queued) = {row.number(2), row.number(3), row.number(4)};
  stream.of(FrameState::kept) = {row.number(5), row.number(6), row.number(7)};
  return stream;
}

Result<wire::FrameSequence> sequence_of(const Statement& row) {
  const int64_t lane = row.integer(10);
  if (lane < 1 || lane > static_cast<int64_t>(std::size(wire::lanes)))
    return Error{Errc::damaged, "streams: lane " + std::to_string(lane)};
  return wire::FrameSequence{row.text(8), row.number(9), static_cast<wire::Lane>(lane)};
}

FrameRow frame_row(const Statement& row, const wire::FrameSequence& sequence) {
  FrameRow frame;
  frame.key = row.integer(0);
  frame.info.id = {sequence, key_seq(frame.key)};
  frame.info.state = row.integer(1) == 0 ? FrameState::queued : FrameState::kept;
  frame.info.axis = row.number(2);
  frame.info.sample_id_first = row.number(3);
  frame.info.sample_id_end = row.number(4);
  frame.info.utc_first_ns = row.integer(5);
  frame.info.utc_end_ns = row.integer(6);
  frame.info.samples = row.number(7);
  frame.info.size_bytes = row.number(8);
  frame.crc = static_cast<uint32_t>(row.integer(9));
  return frame;
}

DevicePosition position_of(const Statement& row) {
  DevicePosition position;
  position.device = {row.text(0), row.text(1), row.text(2)};
  position.axis = {row.number(3), static_cast<uint32_t>(row.integer(4)), static_cast<uint32_t>(row.integer(5))};
  position.sample_id_end = row.number(6);
  position.utc = {row.number(7), row.integer(8), row.real(9), static_cast<wire::UtcQuality>(row.integer(10))};
  position.totals.samples = row.number(11);
  position.totals.valid = row.number(12);
  position.totals.i_sum = join_halves(row.integer(13), row.number(14));
  position.totals.p_sum = join_halves(row.integer(15), row.number(16));
  position.totals.samples_lost = row.number(17);
  return position;
}

Result<LaneUsage> lane_usage(Database& database, const wire::FrameSequence& sequence, const Stream& stream) {
  const StateTotals& queued = stream.of(FrameState::queued);
  const StateTotals& kept = stream.of(FrameState::kept);
  LaneUsage usage;
  usage.sequence = sequence;
  usage.queued_frames = queued.frames;
  usage.queued_bytes = queued.bytes;
  usage.kept_frames = kept.frames;
  usage.kept_bytes = kept.bytes;
  usage.seq_first = stream.seq_first();
  usage.seq_next = stream.next_seq;
  if (usage.seq_first == 0) return usage;
  for (const auto& [seq, time] :
       {std::pair(queued.seq_first, &usage.oldest_queued_utc_ns), std::pair(usage.seq_first, &usage.utc_first_ns)}) {
    if (seq == 0) continue;
    auto frame = find_frame(database, sequence, stream, seq);
    if (!frame) return frame.error();
    if (*frame) *time = (*frame)->info.utc_first_ns;
  }
  Statement last = database.prepare("SELECT utc_end_ns FROM frames WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1");
  last.start(frame_key(stream.id, 0), frame_key(stream.id, seq_max));
  auto row = last.next();
  if (!row) return row.error();
  if (*row) usage.utc_end_ns = last.integer(0);
  return usage;
}

}  // namespace

uint64_t Stream::seq_first() const {
  const uint64_t queued = of(FrameState::queued).seq_first;
  const uint64_t kept = of(FrameState::kept).seq_first;
  return queued == 0 || kept == 0 ? std::max(queued, kept) : std::min(queued, kept);
}

Result<StreamTable> load_streams(Database& database) {
  StreamTable streams;
  Statement query = database.prepare(select_streams);
  query.start();
  for (;;) {
    auto row = query.next();
    if (!row) return row.error();
    if (!*row) return streams;
    auto sequence = sequence_of(query);
    if (!sequence) return sequence.error();
    streams.emplace(std::move(*sequence), stream_of(query));
  }
}

Result<std::optional<Stream>> load_stream(Database& database, const wire::FrameSequence& sequence) {
  Statement query = database.prepare(std::string(select_streams) + " WHERE device = ?1 AND epoch = ?2 AND lane = ?3");
  query.start(std::string_view(sequence.device), sequence.epoch, static_cast<uint32_t>(sequence.lane));
  auto row = query.next();
  if (!row) return row.error();
  return *row ? std::optional(stream_of(query)) : std::nullopt;
}

Status save_stream(Database& database, const wire::FrameSequence& sequence, const Stream& stream) {
  const StateTotals& queued = stream.of(FrameState::queued);
  const StateTotals& kept = stream.of(FrameState::kept);
  return database
      .prepare(
          "INSERT INTO streams (id, next_seq, queued_frames, queued_bytes, queued_seq_first, kept_frames, kept_bytes,"
          " kept_seq_first, device, epoch, lane) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
          " ON CONFLICT (id) DO UPDATE SET next_seq = ?2, queued_frames = ?3, queued_bytes = ?4, queued_seq_first = ?5,"
          " kept_frames = ?6, kept_bytes = ?7, kept_seq_first = ?8")
      .run(stream.id, stream.next_seq, queued.frames, queued.bytes, queued.seq_first, kept.frames, kept.bytes, kept.seq_first,
           std::string_view(sequence.device), sequence.epoch, static_cast<uint32_t>(sequence.lane));
}

Result<std::vector<FrameRow>> list_frames(Database& database, const wire::FrameSequence& sequence, const Stream& stream,
                                          const FrameQuery& query) {
  std::vector<FrameRow> frames;
  const uint64_t there = query.state ? stream.of(*query.state).seq_first : stream.seq_first();
  if (there == 0 || query.seq_from > seq_max || query.frames_max == 0) return frames;
  Statement rows = database.prepare("SELECT " + std::string(frame_columns) +
                                    " FROM frames WHERE key BETWEEN ?1 AND ?2 AND (?3 < 0 OR state = ?3) ORDER BY key");
  rows.start(frame_key(stream.id, std::max(there, query.seq_from)), frame_key(stream.id, seq_max),
             query.state ? static_cast<int64_t>(*query.state) : int64_t{-1});
  for (uint64_t bytes = 0; frames.size() < query.frames_max && bytes < query.bytes_enough;) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) break;
    FrameRow frame = frame_row(rows, sequence);
    bytes += frame.info.size_bytes;
    if (!frames.empty() && bytes > query.bytes_max) break;
    frames.push_back(std::move(frame));
  }
  return frames;
}

Result<std::optional<FrameRow>> find_frame(Database& database, const wire::FrameSequence& sequence, const Stream& stream,
                                           uint64_t seq) {
  if (seq > seq_max) return std::optional<FrameRow>{};
  Statement query = database.prepare("SELECT " + std::string(frame_columns) + " FROM frames WHERE key = ?1");
  query.start(frame_key(stream.id, seq));
  auto row = query.next();
  if (!row) return row.error();
  return *row ? std::optional(frame_row(query, sequence)) : std::nullopt;
}

Result<StoredFrame> read_frame(Database& database, const FrameRow& row) {
  StoredFrame frame{row.info, {}, false};
  Statement query = database.prepare("SELECT bytes FROM frames WHERE key = ?1");
  query.start(row.key);
  auto found = query.next();
  if (!found && found.error().code != Errc::damaged) return found.error();
  if (found && *found) frame.bytes = query.blob(0);
  frame.intact = found && *found && frame.bytes.size() == row.info.size_bytes && crc32c(frame.bytes) == row.crc;
  return frame;
}

Status insert_frame(Database& database, int64_t key, const NewFrame& frame) {
  return database
      .prepare("INSERT INTO frames (" + std::string(frame_columns) +
               ", bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")
      .run(key, static_cast<uint32_t>(frame.info.state), frame.info.axis, frame.info.sample_id_first, frame.info.sample_id_end,
           frame.info.utc_first_ns, frame.info.utc_end_ns, frame.info.samples, uint64_t{frame.bytes.size()}, crc32c(frame.bytes),
           wire::ByteView(frame.bytes));
}

Result<std::vector<DevicePosition>> load_positions(Database& database) {
  std::vector<DevicePosition> positions;
  Statement query = database.prepare(
      "SELECT device, model, serial, axis_life, counter_rate_hz, decimation, sample_id_end, utc_sample_id, utc_ns,"
      " utc_counter_rate_hz, utc_quality, samples, valid, i_sum_high, i_sum_low, p_sum_high, p_sum_low, samples_lost"
      " FROM positions ORDER BY device");
  query.start();
  for (;;) {
    auto row = query.next();
    if (!row) return row.error();
    if (!*row) return positions;
    positions.push_back(position_of(query));
  }
}

Status save_position(Database& database, const DevicePosition& position) {
  const wire::Totals& totals = position.totals;
  return database
      .prepare(
          "REPLACE INTO positions (device, model, serial, axis_life, counter_rate_hz, decimation, sample_id_end,"
          " utc_sample_id, utc_ns, utc_counter_rate_hz, utc_quality, samples, valid, i_sum_high, i_sum_low, p_sum_high,"
          " p_sum_low, samples_lost) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)")
      .run(std::string_view(position.device.id), std::string_view(position.device.model),
           std::string_view(position.device.serial), position.axis.life, position.axis.counter_rate_hz, position.axis.decimation,
           position.sample_id_end, position.utc.sample_id, position.utc.utc_ns, position.utc.counter_rate_hz,
           static_cast<uint32_t>(position.utc.quality), totals.samples, totals.valid, high_half(totals.i_sum),
           low_half(totals.i_sum), high_half(totals.p_sum), low_half(totals.p_sum), totals.samples_lost);
}

Result<Usage> usage_of(Database& database, const StreamTable& streams) {
  Usage usage;
  for (const auto& [sequence, stream] : streams) {
    auto lane = lane_usage(database, sequence, stream);
    if (!lane) return lane.error();
    usage.payload_bytes += lane->queued_bytes + lane->kept_bytes;
    usage.lanes.push_back(std::move(*lane));
  }
  return usage;
}

}  // namespace joulespool::spool
