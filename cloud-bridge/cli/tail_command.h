// joulespool-bridge tail: what arrives in Kinesis, a line per device and second.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <stop_token>
#include <string>

#include "agent/base/clock.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::cli {

struct TailOptions {
  std::string device;         // empty: all
  bool json = false;          // a JSON object per line, "version": 1
  int64_t interval_ms = 1000;
  uint64_t rounds_max = 0;    // ends after so many intervals; 0: goes on until stopped
  sink::StartAt start = sink::StartAt::newest;
};

// Runs until `stop`. Exit code: 0 when stopped or after rounds_max; 2, 3 as exit_code() of the source's error, once it has
// lasted for some seconds (reader/stream_scan.h). Lines go to `out`, errors to `err`.
int run_tail(const TailOptions& options, sink::RecordSource& source, Clock& clock, std::stop_token stop, std::ostream& out,
             std::ostream& err);

}  // namespace joulespool::cli
