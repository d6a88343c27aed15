// Whether a database file is a spool, and of which version; making a new one; bringing an old one up to date.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/spool/sqlite_db.h"

namespace joulespool::spool {

// PRAGMA application_id and user_version of the files this program writes.
constexpr int64_t application_id = 0x4A53504C;  // "JSPL"
constexpr int64_t schema_version = 1;

// schema.sql: what a new spool is made from.
std::string_view schema_sql();
// migrations/*.sql: the one at index n leads from version n to n + 1.
std::span<const std::string_view> migration_sqls();

struct SpoolMeta {
  std::string host;
  uint64_t epoch = 0;
};

struct OpenedSpool {
  std::unique_ptr<Database> database;
  SpoolMeta meta;
};

// The spool at `path` for writing: made for `host` where there is none, migrated if it is older. `log_bytes_max`: the log file
// is cut back to this when it starts again. Errors: damaged, full, usage (another host's), unreachable (not a spool, made
// by a newer version, I/O).
Result<OpenedSpool> open_for_writing(const std::string& path, const std::string& host, uint64_t log_bytes_max);
// Errors: not_found (no spool there yet), damaged, unreachable (not a spool, made by another version, I/O).
Result<OpenedSpool> open_for_reading(const std::string& path);

}  // namespace joulespool::spool
