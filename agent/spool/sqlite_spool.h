// The spool in SQLite: the only user of SQLite. Schema: schema.sql.
#pragma once

#include "agent/spool/spool.h"

namespace joulespool::spool {

// Creates the directory and the spool where there is none. A damaged database is moved to `<directory>/damaged-<n>` and a fresh
// one with a new epoch is started (see take_notices). Errors: busy (which process holds it), unreachable (path, permission,
// newer schema, not a spool), usage (another host's spool), full (no space to open it, not even with the reserve).
Result<std::unique_ptr<SpoolWriter>> open_spool_writer(const SpoolOptions& options);

// Never changes what is stored (SQLite's own -shm and an empty -wal may appear beside it). Works beside a live writer, and on a
// copy. A reader does not follow a writer that was opened anew after damage: open it anew, too.
// Errors: not_found (no spool there), unreachable (newer schema, not a spool, permission), damaged.
Result<std::unique_ptr<SpoolReader>> open_spool_reader(const std::string& directory);

}  // namespace joulespool::spool
