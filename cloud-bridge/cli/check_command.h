// joulespool-bridge check: is a device complete in Kinesis between two points? Names what is missing.
#pragma once

#include <iosfwd>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "cloud-bridge/reader/completeness.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::cli {

struct CheckOptions {
  std::string device;
  reader::TimeRange range;
  bool json = false;
};

// Reads the whole stream. Exit code: 0 complete; 1 not, or the device is not in the stream; 2, 3 as exit_code() of the
// source's error. The answer goes to `out`, errors to `err`.
int run_check(const CheckOptions& options, sink::RecordSource& source, Clock& clock, std::stop_token stop, std::ostream& out,
              std::ostream& err);

}  // namespace joulespool::cli
