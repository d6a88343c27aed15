// Whether a database file is of a spool, and of which version; making and opening segments.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/spool/segment_log.h"
#include "agent/spool/sqlite_db.h"
#include "agent/spool/sqlite_rows.h"

namespace joulespool::spool {

// PRAGMA application_id and user_version of the files this program writes. Version 1 was one database for everything
// (database_path()): its frames are read where they are.
constexpr int64_t application_id = 0x4A53504C;  // "JSPL"
constexpr int64_t schema_version = 2;

std::string_view schema_sql();

// What the newest segment says of the whole spool.
struct SpoolState {
  SegmentMeta meta;
  StreamTable streams;
  PositionTable positions;
};

// A file for a segment, empty: its first transaction has to begin with schema_sql(). With the index of a log of `log_bytes`;
// durable on return, but for its name. Errors: full, unreachable.
Result<std::unique_ptr<Database>> create_segment(const std::string& path, uint64_t log_bytes);

// For writing, or for reading in either mode. One of a newer version that says how to turn it into one of this version is read as
// it is now, in memory. Errors: not_found (no such file), damaged (SQLite cannot read it), unreachable (of another program or a
// newer version, I/O, permission).
Result<std::unique_ptr<Database>> open_segment(const std::string& path, OpenMode mode);

// For reading all that can be read of a segment that nobody writes to: where its log is damaged, what lies behind the damage too.
struct ReadableSegment {
  std::unique_ptr<Database> database;
  bool damaged = false;
};
Result<ReadableSegment> open_readable(const std::string& path, LastTransaction last);

// Every row of `frames` of a damaged segment that matches its checksum, and nothing else, in a database in memory: also rows to
// which no tree leads any more, and those of a last transaction that lacks its end. Errors: not_found, unreachable (I/O).
Result<std::unique_ptr<Database>> open_rows(const std::string& path);

// nullopt: its first transaction never was committed. Errors: damaged; those of reading.
Result<std::optional<SpoolState>> load_state(Database& database);

// A spool of version 1 at `path`, as one segment with the number `segment`. nullopt: it was never finished. Errors: as
// open_segment().
Result<std::optional<SpoolState>> import_version_1(const std::string& path, uint64_t segment);

Result<uint64_t> random_epoch();

}  // namespace joulespool::spool
