// Reads what a stream holds now, from its oldest record on.
#pragma once

#include <functional>
#include <stop_token>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::reader {

// Kinesis answers five reads a second per shard, refuses more, and may be away for a moment: so try again, ever later.
constexpr int read_attempts_max = 6;
constexpr int64_t read_retry_ms = 200;  // doubles from attempt to attempt: 6 s in all

// Reads until it worked. Errors: the source's last one; cancelled when `stop` was requested.
Result<sink::RecordBatch> read_patiently(sink::RecordSource& source, const std::string& shard, Clock& clock,
                                         std::stop_token stop);

// Calls `receiver` with every record that was stored before the call (and perhaps some later ones), shard after shard, parents
// before children. Errors: those of the source; cancelled.
Status scan_stream(sink::RecordSource& source, Clock& clock, std::stop_token stop,
                   const std::function<void(sink::StoredRecord&&)>& receiver);

}  // namespace joulespool::reader
