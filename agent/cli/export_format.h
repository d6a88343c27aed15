// The formats that `spool export` writes; docs/export.md describes each.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>

#include "agent/base/result.h"
#include "agent/cli/frame_rows.h"

namespace joulespool::cli {

// Gets rows in the order of a FramePlan. Memory does not grow with them. Without finish(), nothing is left behind.
class ExportFormat {
 public:
  virtual ~ExportFormat() = default;
  // Errors: full, unreachable (the target), usage (the format cannot hold these).
  virtual Status take(const WindowRows& rows) = 0;
  virtual Status take(const SampleRows& rows) = 0;
  virtual Status finish() = 0;
};

// Errors of all: usage, unreachable, full (the target; libjls).
// `path` empty: `out`.
Result<std::unique_ptr<ExportFormat>> make_csv_format(bool is_windows, const std::string& path, std::ostream& out);
Result<std::unique_ptr<ExportFormat>> make_column_format(const std::string& directory);
Result<std::unique_ptr<ExportFormat>> make_raw_format(const std::string& directory);
// `library`: of libjls; empty: where the system's loader finds it.
Result<std::unique_ptr<ExportFormat>> make_jls_format(const std::string& directory, const std::string& library);

}  // namespace joulespool::cli
