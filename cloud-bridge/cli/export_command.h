// joulespool-bridge export: windows or samples of a device as CSV.
#pragma once

#include <iosfwd>
#include <stop_token>

#include "agent/base/clock.h"
#include "cloud-bridge/reader/device_series.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::cli {

struct ExportOptions {
  enum class What { windows, samples };
  What what = What::windows;
  reader::SeriesRange range;
};

// Reads the whole stream; rows go to `out` while it reads, in the order of sample_id within each spool's life. Columns:
// agent/codec/csv.h. Exit code: 0; 1 the device is not in the stream, or a frame could not be decoded (the others are
// written); 2, 3 as exit_code() of the source's error; 3 if `out` fails. What went wrong goes to `err`.
int run_export(const ExportOptions& options, sink::RecordSource& source, Clock& clock, std::stop_token stop, std::ostream& out,
               std::ostream& err);

}  // namespace joulespool::cli
