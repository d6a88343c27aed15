// joulespool-bridge check: is a device complete in Kinesis between two points? Names what is missing.
#pragma once

#include "agent/base/command_line.h"
#include "cloud-bridge/reader/completeness.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::bridge_cli {

struct CheckOptions {
  std::string device;
  reader::TimeRange range;
  bool json = false;
};

// Reads the whole stream. exit_ok: complete; exit_no: not, or the device is not in the stream. Errors: the source's.
Result<ExitCode> run_check(const CheckOptions& options, sink::RecordSource& source, const Surroundings& surroundings);

Action add_check(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
