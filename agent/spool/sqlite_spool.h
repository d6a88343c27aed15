// The spool in SQLite: the only user of SQLite. Schema: schema.sql.
#pragma once

#include "agent/spool/spool.h"

namespace joulespool::spool {

// Creates the directory and the spool where there is none. Errors: busy (which process holds it), unreachable (path,
// permission, newer schema, not a spool), usage (another host's spool).
Result<std::unique_ptr<SpoolWriter>> open_spool_writer(const SpoolOptions& options);

// Never changes anything. Errors: not_found (no spool there), unreachable (newer schema, not a spool, permission).
Result<std::unique_ptr<SpoolReader>> open_spool_reader(const std::string& directory);

}  // namespace joulespool::spool
