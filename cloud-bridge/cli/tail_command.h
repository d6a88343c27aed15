// joulespool-bridge tail: what arrives in Kinesis, a line per device and second.
#pragma once

#include <stop_token>

#include "agent/base/command_line.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::bridge_cli {

struct TailOptions {
  std::string device = {};  // empty: all
  bool json = false;        // a JSON object per line
  int64_t interval_ms = 1000;
  uint64_t rounds_max = 0;  // ends after so many intervals; 0: goes on until stopped
  sink::StartAt start = sink::StartAt::newest;
};

// A frame that stands for others (agent/wire/FORMAT.md, section 3) takes their energy back. Mean values and rate have it only if
// none of them was counted before: what a line said stays. Until `stop`, or rounds_max. Errors: the source's, once they have
// lasted for some seconds (reader/stream_scan.h).
Result<ExitCode> run_tail(const TailOptions& options, sink::RecordSource& source, const Surroundings& surroundings,
                          std::stop_token stop);

Action add_tail(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
