// The spool in SQLite: a ring of segments, each a database (schema.sql) that is only ever added to, read, and removed whole.
// docs/spool.md says why. The sqlite_* files are the only users of SQLite.
#pragma once

#include "agent/spool/spool.h"

namespace joulespool::spool {

// Creates the directory; a new spool has its first segment with the first commit. What is damaged is moved to
// `<directory>/damaged-<n>` and taken out of use (see take_notices). Errors: busy (which process holds it), unreachable (path,
// permission, newer schema, not a spool), usage (another host's spool), full.
Result<std::unique_ptr<SpoolWriter>> open_spool_writer(const SpoolOptions& options);

enum class ReadMode {
  follow,    // sees what a writer commits, also in segments to come; for a process beside the writer
  snapshot,  // what is committed now; takes no lock, writes nothing, works on a read-only medium
};

// Works beside a live writer and on a copy, and never changes what is stored. Errors: not_found (no spool there), unreachable
// (newer schema, not a spool, permission), damaged.
Result<std::unique_ptr<SpoolReader>> open_spool_reader(const std::string& directory, ReadMode mode = ReadMode::follow);

}  // namespace joulespool::spool
