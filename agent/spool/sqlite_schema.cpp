#include "agent/spool/sqlite_schema.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/spool/schema_sql.h"
#include "agent/spool/segment_rows.h"
#include "agent/spool/sqlite_versions.h"

namespace joulespool::spool {
namespace {

Error not_a_spool(const std::string& path, const std::string& why) {
  return {Errc::unreachable, path + " is not a spool: " + why};
}

// Its version. Error unreachable for a foreign file, damaged for what SQLite cannot read.
Result<int64_t> identify(Database& database, const std::string& path) {
  auto id = database.integer("PRAGMA application_id");
  if (!id) return id.error().in(path);
  if (*id == application_id) {
    auto version = database.integer("PRAGMA user_version");
    if (!version) return version.error().in(path);
    if (*version < 1) return Error{Errc::damaged, path + ": schema version " + std::to_string(*version)};
    return version;
  }
  if (*id != 0) return not_a_spool(path, "a database of another program (application id " + std::to_string(*id) + ")");
  auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error().in(path);
  if (*tables != 0) return not_a_spool(path, "a database of another program (no application id)");
  return schema_version;  // empty: its making was cut short
}

Error too_new(const std::string& path, int64_t version, const std::string& why) {
  return {Errc::unreachable, path + " was made by a newer version (schema " + std::to_string(version) + ", this program knows " +
                                 std::to_string(schema_version) + ")" + why};
}

// A segment of a newer version the way that its program left to come back.
Result<std::unique_ptr<Database>> roll_back(Database& database, wire::ByteView image, int64_t version, const std::string& path) {
  auto steps = stored_rollbacks(database, version, schema_version);
  if (!steps) return too_new(path, version, ": " + steps.error().message);
  auto converted = convert(image, *steps);
  if (!converted) return too_new(path, version, ": " + converted.error().message);
  return converted;
}

// page_size counts only before the file has pages, journal_mode is kept in the file, the others are of the connection.
// MEMORY first: a rollback journal for making the first page would be one more file that can be left over. That page is made
// durable by who makes the segment, together with its other files: a flush less. secure_delete is on in Debian's build: it would
// overwrite every byte of a row that leaves.
Status configure(Database& database) {
  JOULESPOOL_TRY(database.execute("PRAGMA page_size = " + std::to_string(page_bytes)), "configure");
  JOULESPOOL_TRY(database.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;"
                                  "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF"),
                 "configure");
  Statement mode = database.prepare("PRAGMA journal_mode");
  mode.start();
  auto row = mode.next();
  if (!row) return row.error();
  if (mode.text(0) != "wal") return Error{Errc::unreachable, "write-ahead logging does not work on this file system"};
  return {};
}

Result<bool> has_tables(Database& database) {
  auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  return *tables != 0;
}

// The frames of a stream of version 1, which names none: runs of them.
Status import_frames(Database& database, const wire::FrameSequence& sequence, Stream& stream, uint64_t segment) {
  const uint64_t next_seq = stream.next_seq;
  constexpr size_t rows_at_once = 1000;
  for (uint64_t from = 1;;) {
    auto rows = list_frames(database, sequence, stream.id, {from, seq_max, rows_at_once});
    if (!rows) return rows.error();
    for (const FrameRow& row : *rows) append(stream, row.info, segment);
    if (rows->size() < rows_at_once) break;
    from = stream.next_seq;
  }
  if (stream.next_seq > next_seq) return Error{Errc::damaged, "a frame behind the next seq of " + sequence.device};
  stream.next_seq = next_seq;
  return {};
}

Status import_streams(Database& database, SpoolState& state, uint64_t segment) {
  Statement query = database.prepare("SELECT id, device, epoch, lane, next_seq FROM streams");
  query.start();
  for (;;) {
    auto row = query.next();
    if (!row) return row.error();
    if (!*row) return {};
    const wire::FrameSequence sequence{query.text(1), query.number(2), static_cast<wire::Lane>(query.integer(3))};
    Stream stream{query.integer(0), query.number(4), {}};
    JOULESPOOL_TRY(import_frames(database, sequence, stream, segment), sequence.device);
    state.streams.emplace(sequence, std::move(stream));
  }
}

}  // namespace

std::string_view schema_sql() { return schema_text; }

Result<uint64_t> random_epoch() {
  uint64_t epoch = 0;
  while (epoch == 0)
    if (::getrandom(&epoch, sizeof epoch, 0) != static_cast<ssize_t>(sizeof epoch) && errno != EINTR)
      return Error{Errc::internal, std::string("getrandom: ") + std::strerror(errno)};
  return epoch;
}

Result<std::unique_ptr<Database>> create_segment(const std::string& path, uint64_t log_bytes) {
  auto database = Database::open(path, OpenMode::write);
  if (!database) return database.error();
  JOULESPOOL_TRY(configure(**database), path);
  JOULESPOOL_TRY((*database)->allocate_log_index(log_bytes / log_frame_bytes + 1), path);
  JOULESPOOL_TRY((*database)->sync(), path);
  return database;
}

Result<std::unique_ptr<Database>> open_segment(const std::string& path, OpenMode mode) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const Errc code = errno == ENOENT || errno == ENOTDIR ? Errc::not_found : Errc::unreachable;
    return Error{code, path + ": " + std::strerror(errno)};
  }
  auto database = Database::open(path, mode);
  if (!database) return database.error();
  auto version = identify(**database, path);
  if (!version) return version.error().in("open");
  if (mode == OpenMode::write) {
    if (*version > schema_version) return too_new(path, *version, "");
    JOULESPOOL_TRY(configure(**database), path);
  } else if (*version > schema_version) {
    auto rebuilt = rebuild_from_log(path, LastTransaction::confirmed);
    if (!rebuilt) return rebuilt.error();
    return roll_back(**database, rebuilt->bytes, *version, path);
  }
  return database;
}

Result<ReadableSegment> open_readable(const std::string& path, LastTransaction last) {
  auto log = summarize_log(path);
  if (!log) return log.error();
  if (log->whole) {
    auto database = open_segment(path, OpenMode::snapshot);
    if (database) return ReadableSegment{std::move(*database), false};
    const bool lost = database.error().code == Errc::unreachable && first_page_is_lost(path);
    if (database.error().code != Errc::damaged && !lost) return database.error();
  }
  auto rebuilt = rebuild_from_log(path, last);
  if (!rebuilt) return rebuilt.error();
  auto database = Database::open_image(rebuilt->bytes);
  if (!database) return database.error();
  auto version = identify(**database, path);
  const bool is_ours = version && *version <= schema_version;
  // What a damaged page says of whose it is and how new proves nothing.
  if (!is_ours && !rebuilt->first_page_matches) return Error{Errc::damaged, path + ": its first page is damaged"};
  if (!version) return version.error().in("open");
  if (is_ours) return ReadableSegment{std::move(*database), true};
  auto older = roll_back(**database, rebuilt->bytes, *version, path);
  if (!older) return older.error();
  return ReadableSegment{std::move(*older), true};
}

Result<std::unique_ptr<Database>> open_rows(const std::string& path) {
  RowCollector collector;
  auto rebuilt = rebuild_from_log(
      path, LastTransaction::may_lack_its_end,
      [&collector](wire::ByteView database, std::span<const uint32_t> pages) { collector.look_at(database, pages); });
  if (!rebuilt && rebuilt.error().code != Errc::damaged) return rebuilt.error();
  auto database = Database::open_in_memory();
  if (!database) return database.error();
  Transaction transaction(**database);
  JOULESPOOL_TRY(transaction.begin_write(), "rows of a damaged segment");
  JOULESPOOL_TRY((*database)->execute(std::string(schema_sql())), "rows of a damaged segment");
  Statement insert = (*database)->prepare("INSERT INTO frames VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
  auto rows = collector.take();
  while (!rows.empty()) {
    const auto row = rows.extract(rows.begin());  // so that the bytes are not there twice
    const auto& c = row.mapped().columns;
    JOULESPOOL_TRY(
        insert.run(row.key(), c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], wire::ByteView(row.mapped().bytes)),
        "rows of a damaged segment");
  }
  JOULESPOOL_TRY(transaction.commit(), "rows of a damaged segment");
  return database;
}

Result<std::optional<SpoolState>> load_state(Database& database) {
  Transaction snapshot(database);
  JOULESPOOL_TRY(snapshot.begin_read(), "load");
  auto born = has_tables(database);
  if (!born) return born.error();
  if (!*born) return std::optional<SpoolState>{};
  auto meta = load_meta(database);
  if (!meta) return meta.error();
  if (!*meta) return Error{Errc::damaged, "no host and epoch"};
  auto streams = load_streams(database);
  if (!streams) return streams.error();
  auto positions = load_positions(database);
  if (!positions) return positions.error();
  StateSum sum;
  for (const auto& [sequence, stream] : *streams) sum.add(sequence, stream);
  for (const auto& [device, position] : *positions) sum.add(position);
  if (sum.value() != (*meta)->state_sum) return Error{Errc::damaged, "tables of different times"};
  return std::optional(SpoolState{std::move(**meta), std::move(*streams), std::move(*positions)});
}

Result<std::optional<SpoolState>> import_version_1(const std::string& path, uint64_t segment) {
  auto database = open_segment(path, OpenMode::snapshot);
  if (!database) return database.error();
  auto born = has_tables(**database);
  if (!born) return born.error();
  if (!*born) return std::optional<SpoolState>{};
  SpoolState state;
  Statement meta = (*database)->prepare("SELECT host, epoch FROM meta WHERE id = 1");
  meta.start();
  auto row = meta.next();
  if (!row) return row.error().in(path);
  if (!*row || meta.number(1) == 0) return Error{Errc::damaged, path + ": no host and epoch"};
  state.meta = {meta.text(0), meta.number(1), segment, "", false};
  JOULESPOOL_TRY(import_streams(**database, state, segment), path);
  auto positions = load_positions_version_1(**database);
  if (!positions) return positions.error().in(path);
  state.positions = std::move(*positions);
  return std::optional(std::move(state));
}

}  // namespace joulespool::spool
