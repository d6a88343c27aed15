#include "agent/spool/sqlite_rows.h"

#include <algorithm>
#include <utility>

#include "agent/spool/row_crc.h"

namespace joulespool::spool {
namespace {

constexpr std::string_view meta_columns =
    "host, epoch, segment, boot, closed, state_sum, appended_bytes, written_bytes, counted_since_utc_ns, crc32c";
constexpr std::string_view frame_columns =
    "key, state, axis, sample_id_first, sample_id_end, utc_first_ns, utc_end_ns, samples, size, crc32c";
constexpr std::string_view extent_columns =
    "seq_first, seq_last, state, segment, bytes, axis, sample_id_first, sample_id_end, utc_first_ns, utc_end_ns, crc32c";
constexpr std::string_view position_columns =
    "device, model, serial, axis_life, counter_rate_hz, decimation, sample_id_end, utc_sample_id, utc_ns, utc_counter_rate_hz,"
    " utc_quality, samples, valid, i_sum_high, i_sum_low, p_sum_high, p_sum_low, samples_lost";

uint32_t number_of(wire::Lane lane) { return static_cast<uint32_t>(lane); }

// Column `state`: of a frame or an extent.
template <class T>
uint32_t state_number(const T& of) {
  return static_cast<uint32_t>(of.state) + 2U * of.level;
}

template <class T>
bool set_state(int64_t number, T& of) {
  if (number < 0 || number > 1 + 2 * level_max) return false;
  of.state = number % 2 == 0 ? FrameState::queued : FrameState::kept;
  of.level = static_cast<uint8_t>(number / 2);
  return true;
}

std::optional<wire::Lane> lane_of(int64_t number) {
  for (const wire::Lane lane : wire::lanes)
    if (static_cast<int64_t>(lane) == number) return lane;
  return std::nullopt;
}

Error bad_row(const char* table) { return {Errc::damaged, std::string("a row of ") + table + " does not match its checksum"}; }

uint32_t crc_of(int64_t key, const FrameInfo& info, wire::ByteView bytes) {
  return row_crc(key, state_number(info), info.axis, info.sample_id_first, info.sample_id_end, info.utc_first_ns, info.utc_end_ns,
                 info.samples, bytes);
}

uint32_t crc_of(int64_t stream, uint64_t seq_first, const Extent& extent) {
  const Cover& cover = extent.cover;
  return row_crc(stream, seq_first, extent.seq_last, state_number(extent), extent.segment, extent.bytes, cover.axis,
                 cover.sample_id_first, cover.sample_id_end, cover.utc_first_ns, cover.utc_end_ns);
}

uint32_t crc_of(const wire::FrameSequence& sequence, const Stream& stream) {
  return row_crc(stream.id, std::string_view(sequence.device), sequence.epoch, number_of(sequence.lane), stream.next_seq);
}

uint32_t crc_of(const SegmentMeta& meta) {
  return row_crc(std::string_view(meta.host), meta.epoch, meta.segment, std::string_view(meta.boot), uint64_t{meta.closed},
                 meta.state_sum, meta.wear.appended_bytes, meta.wear.written_bytes, meta.wear.since_utc_ns);
}

uint32_t crc_of(const DevicePosition& position) {
  const wire::Totals& totals = position.totals;
  return row_crc(std::string_view(position.device.id), std::string_view(position.device.model),
                 std::string_view(position.device.serial), position.axis.life, position.axis.counter_rate_hz,
                 position.axis.decimation, position.sample_id_end, position.utc.sample_id, position.utc.utc_ns,
                 position.utc.counter_rate_hz, static_cast<uint32_t>(position.utc.quality), totals.samples, totals.valid,
                 high_half(totals.i_sum), low_half(totals.i_sum), high_half(totals.p_sum), low_half(totals.p_sum),
                 totals.samples_lost);
}

FrameRow frame_row(const Statement& row, const wire::FrameSequence& sequence) {
  FrameRow frame;
  frame.key = row.integer(0);
  frame.info.id = {sequence, key_seq(frame.key)};
  set_state(row.integer(1), frame.info);  // what it cannot be does not match the checksum either
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

Result<std::pair<uint64_t, Extent>> extent_of(const Statement& row, int64_t stream) {
  Extent extent;
  const uint64_t first = row.number(0);
  extent.seq_last = row.number(1);
  const bool has_state = set_state(row.integer(2), extent);
  extent.segment = row.number(3);
  extent.bytes = row.number(4);
  extent.cover = {row.number(5), row.number(6), row.number(7), row.integer(8), row.integer(9)};
  if (!has_state || first == 0 || extent.seq_last < first || crc_of(stream, first, extent) != row.number(10))
    return bad_row("extents");
  return std::pair(first, extent);
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

// Calls each(row) -> Status for every row of a query that was started.
template <class Each>
Status for_each(Statement& query, const Each& each) {
  for (;;) {
    auto row = query.next();
    if (!row) return row.error();
    if (!*row) return {};
    JOULESPOOL_TRY(each(query), "read");
  }
}

Status load_extents(Database& database, Stream& stream) {
  Statement query =
      database.prepare("SELECT " + std::string(extent_columns) + " FROM extents WHERE stream = ?1 ORDER BY seq_first");
  query.start(stream.id);
  return for_each(query, [&stream](const Statement& row) -> Status {
    auto extent = extent_of(row, stream.id);
    if (!extent) return extent.error();
    const bool in_order = stream.extents.empty() || stream.extents.rbegin()->second.seq_last < extent->first;
    if (!in_order || extent->second.seq_last >= stream.next_seq) return Error{Errc::damaged, "extents that overlap or are ahead"};
    stream.extents.insert(std::move(*extent));
    return {};
  });
}

Status save_extent(Statement& save, int64_t stream, uint64_t seq_first, const Extent& extent) {
  const Cover& cover = extent.cover;
  return save.run(stream, seq_first, extent.seq_last, state_number(extent), extent.segment, extent.bytes, cover.axis,
                  cover.sample_id_first, cover.sample_id_end, cover.utc_first_ns, cover.utc_end_ns,
                  crc_of(stream, seq_first, extent));
}

// Only what is another one now: a stream can have tens of thousands of extents. Both are walked through side by side.
Status save_extents(Database& database, int64_t stream, const std::map<uint64_t, Extent>& before,
                    const std::map<uint64_t, Extent>& after) {
  Statement erase = database.prepare("DELETE FROM extents WHERE stream = ?1 AND seq_first = ?2");
  Statement save = database.prepare("REPLACE INTO extents (stream, " + std::string(extent_columns) +
                                    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
  auto old = before.begin();
  for (const auto& [first, extent] : after) {
    for (; old != before.end() && old->first < first; ++old) JOULESPOOL_TRY(erase.run(stream, old->first), "extents");
    const bool known = old != before.end() && old->first == first;
    if (!known || old->second != extent) JOULESPOOL_TRY(save_extent(save, stream, first, extent), "extents");
    if (known) ++old;
  }
  for (; old != before.end(); ++old) JOULESPOOL_TRY(erase.run(stream, old->first), "extents");
  return {};
}

Result<PositionTable> load_positions(Database& database, bool with_crc) {
  PositionTable positions;
  Statement query =
      database.prepare("SELECT " + std::string(position_columns) + (with_crc ? ", crc32c" : "") + " FROM positions");
  query.start();
  const Status read = for_each(query, [&](const Statement& row) -> Status {
    DevicePosition position = position_of(row);
    if (with_crc && crc_of(position) != row.number(18)) return bad_row("positions");
    positions.emplace(position.device.id, std::move(position));
    return {};
  });
  if (!read) return read.error();
  return positions;
}

}  // namespace

Result<std::optional<SegmentMeta>> load_meta(Database& database) {
  Statement query = database.prepare("SELECT " + std::string(meta_columns) + " FROM meta WHERE id = 1");
  query.start();
  auto row = query.next();
  if (!row) return row.error();
  if (!*row) return std::optional<SegmentMeta>{};
  const SegmentMeta meta{query.text(0),
                         query.number(1),
                         query.number(2),
                         query.text(3),
                         query.integer(4) != 0,
                         query.number(5),
                         {query.number(6), query.number(7), query.integer(8)}};
  if (meta.epoch == 0 || crc_of(meta) != query.number(9)) return bad_row("meta");
  return std::optional(meta);
}

Status save_meta(Database& database, const SegmentMeta& meta) {
  return database
      .prepare("REPLACE INTO meta (id, " + std::string(meta_columns) + ") VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
      .run(std::string_view(meta.host), meta.epoch, meta.segment, std::string_view(meta.boot), uint32_t{meta.closed},
           meta.state_sum, meta.wear.appended_bytes, meta.wear.written_bytes, meta.wear.since_utc_ns, crc_of(meta));
}

// A sum of numbers that have nothing of the rows' order or likeness left (Steele et al., 2014: the mixing of SplitMix64).
void StateSum::add_row(uint32_t crc) {
  uint64_t mixed = crc + 0x9E3779B97F4A7C15ULL;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
  value_ += mixed ^ (mixed >> 31);
}

void StateSum::add(const wire::FrameSequence& sequence, const Stream& stream) {
  add_row(crc_of(sequence, stream));
  for (const auto& [first, extent] : stream.extents) add_row(crc_of(stream.id, first, extent));
}

void StateSum::add(const DevicePosition& position) { add_row(crc_of(position)); }

Result<StreamTable> load_streams(Database& database) {
  StreamTable streams;
  Statement query = database.prepare("SELECT id, device, epoch, lane, next_seq, crc32c FROM streams");
  query.start();
  const Status read = for_each(query, [&](const Statement& row) -> Status {
    const auto lane = lane_of(row.integer(3));
    const wire::FrameSequence sequence{row.text(1), row.number(2), lane.value_or(wire::Lane::event)};
    Stream stream{row.integer(0), row.number(4), {}};
    if (!lane || crc_of(sequence, stream) != row.number(5)) return bad_row("streams");
    streams.emplace(sequence, std::move(stream));
    return {};
  });
  if (!read) return read.error();
  for (auto& [sequence, stream] : streams) JOULESPOOL_TRY(load_extents(database, stream), sequence.device);
  return streams;
}

Result<std::optional<Stream>> load_stream(Database& database, const wire::FrameSequence& sequence) {
  Statement query = database.prepare("SELECT id, next_seq, crc32c FROM streams WHERE device = ?1 AND epoch = ?2 AND lane = ?3");
  query.start(std::string_view(sequence.device), sequence.epoch, number_of(sequence.lane));
  auto row = query.next();
  if (!row) return row.error();
  if (!*row) return std::optional<Stream>{};
  Stream stream{query.integer(0), query.number(1), {}};
  if (crc_of(sequence, stream) != query.number(2)) return bad_row("streams");
  JOULESPOOL_TRY(load_extents(database, stream), sequence.device);
  return std::optional(std::move(stream));
}

Status save_stream(Database& database, const wire::FrameSequence& sequence, const Stream& stream, const Stream* before) {
  JOULESPOOL_TRY(
      database.prepare("REPLACE INTO streams (id, device, epoch, lane, next_seq, crc32c) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
          .run(stream.id, std::string_view(sequence.device), sequence.epoch, number_of(sequence.lane), stream.next_seq,
               crc_of(sequence, stream)),
      "streams");
  static const Stream none;
  return save_extents(database, stream.id, (before == nullptr ? none : *before).extents, stream.extents);
}

Status erase_stream(Database& database, const Stream& stream) {
  JOULESPOOL_TRY(database.prepare("DELETE FROM extents WHERE stream = ?1").run(stream.id), "extents");
  return database.prepare("DELETE FROM streams WHERE id = ?1").run(stream.id);
}

Result<std::vector<FrameRow>> list_frames(Database& database, const wire::FrameSequence& sequence, int64_t stream,
                                          const FrameQuery& query) {
  std::vector<FrameRow> frames;
  if (query.seq_first > std::min(query.seq_last, seq_max) || query.frames_max == 0) return frames;
  Statement rows =
      database.prepare("SELECT " + std::string(frame_columns) + " FROM frames WHERE key BETWEEN ?1 AND ?2 ORDER BY key");
  rows.start(frame_key(stream, query.seq_first), frame_key(stream, std::min(query.seq_last, seq_max)));
  for (uint64_t bytes = 0; frames.size() < query.frames_max;) {
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

Result<StoredFrame> read_frame(Database& database, const FrameRow& row, FrameCheck check) {
  StoredFrame frame{row.info, {}, false};
  Statement query = database.prepare("SELECT bytes FROM frames WHERE key = ?1");
  query.start(row.key);
  auto found = query.next();
  if (!found && found.error().code != Errc::damaged) return found.error();
  if (!found || !*found) return frame;
  frame.bytes = query.blob(0);
  const uint32_t crc = check == FrameCheck::row ? crc_of(row.key, row.info, frame.bytes) : crc32c(frame.bytes);
  frame.intact = frame.bytes.size() == row.info.size_bytes && crc == row.crc;
  return frame;
}

Status insert_frame(Database& database, int64_t key, const FrameInfo& info, wire::ByteView bytes) {
  return database
      .prepare("INSERT INTO frames (" + std::string(frame_columns) +
               ", bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")
      .run(key, state_number(info), info.axis, info.sample_id_first, info.sample_id_end, info.utc_first_ns, info.utc_end_ns,
           info.samples, uint64_t{bytes.size()}, crc_of(key, info, bytes), bytes);
}

Result<PositionTable> load_positions(Database& database) { return load_positions(database, true); }
Result<PositionTable> load_positions_version_1(Database& database) { return load_positions(database, false); }

Status save_position(Database& database, const DevicePosition& position) {
  const wire::Totals& totals = position.totals;
  return database
      .prepare("REPLACE INTO positions (" + std::string(position_columns) +
               ", crc32c)"
               " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)")
      .run(std::string_view(position.device.id), std::string_view(position.device.model),
           std::string_view(position.device.serial), position.axis.life, position.axis.counter_rate_hz, position.axis.decimation,
           position.sample_id_end, position.utc.sample_id, position.utc.utc_ns, position.utc.counter_rate_hz,
           static_cast<uint32_t>(position.utc.quality), totals.samples, totals.valid, high_half(totals.i_sum),
           low_half(totals.i_sum), high_half(totals.p_sum), low_half(totals.p_sum), totals.samples_lost, crc_of(position));
}

}  // namespace joulespool::spool
