// joulespool-bridge export: windows or samples of a device as CSV.
#pragma once

#include "agent/base/command_line.h"
#include "cloud-bridge/reader/device_series.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::bridge_cli {

struct ExportOptions {
  enum class What { windows, samples };
  What what = What::windows;
  reader::SeriesRange range = {};
};

// Reads the whole stream; rows go to the output meanwhile, in the order in which the spool numbered the frames: of sample_id
// within each life of the spool, except that merged windows (agent/wire/FORMAT.md, section 3) stand where they were made, behind
// younger ones. For windows the stream is read twice: first to know which frames others stand for; those are left out. Columns:
// agent/codec/csv.h. exit_no: the device is not in the stream, or a frame could not be decoded (the others are written).
// Errors: the source's; unreachable when the output cannot be written.
Result<ExitCode> run_export(const ExportOptions& options, sink::RecordSource& source, const Surroundings& surroundings);

Action add_export(CLI::App& app, const Surroundings& surroundings);

}  // namespace joulespool::bridge_cli
