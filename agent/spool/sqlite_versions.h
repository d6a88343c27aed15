// A segment of another version of the schema, turned into one of this program's version in memory: the segment itself is never
// written again. Forward by numbered migrations that a program brings along, back by the SQL that the newer program stored in the
// segment: from schema 3 on there is
//   CREATE TABLE rollbacks (version INTEGER PRIMARY KEY, sql TEXT NOT NULL, crc32c INTEGER NOT NULL) STRICT;
// with one row for each version down to 3, whose SQL leads to the version before; crc32c (row_crc.h) is over the other two. A
// segment of schema 2 has no such table: it would be a page in each, and there is no way back to schema 1, which was another kind
// of file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/spool/sqlite_db.h"

namespace joulespool::spool {

// SQL that turns a segment of the version before (or behind) into one of version `to`. It leaves rows with the checksums that
// programs of version `to` expect.
struct VersionStep {
  int64_t to = 0;
  std::string sql;
};

// The bytes of a database file without a log, changed by one step after the other; the result says the version of the last one.
// Errors: damaged (a step cannot be applied: all or nothing).
Result<std::unique_ptr<Database>> convert(wire::ByteView image, const std::vector<VersionStep>& steps);

// What the segment's own program stored of the way from its version `from` back to `to`, in the order of application. Errors:
// unreachable (a step is not there, or does not match its checksum).
Result<std::vector<VersionStep>> stored_rollbacks(Database& database, int64_t from, int64_t to);

}  // namespace joulespool::spool
