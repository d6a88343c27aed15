#include "cloud-bridge/cli/export_command.h"

#include <ostream>
#include <string>

#include "agent/base/exit_code.h"
#include "agent/codec/csv.h"
#include "cloud-bridge/reader/stream_scan.h"

namespace joulespool::cli {
namespace {

// Writes the rows of the frames that are wanted.
class CsvExport {
 public:
  CsvExport(const ExportOptions& options, std::ostream& out, std::ostream& err)
      : options_(options), series_(options.range), out_(out), err_(err) {
    out_ << (samples() ? codec::sample_csv_header() : codec::window_csv_header());
  }

  void add(const reader::CollectedFrame& frame) {
    known_ = known_ || frame.header.device.id == options_.range.device;
    if (frame.header.lane != (samples() ? wire::Lane::wave : wire::Lane::stat) || !series_.wants(frame.header)) return;
    rows_.clear();
    const Status status = samples() ? add_samples(frame) : add_windows(frame);
    if (!status) {
      ++damaged_;
      err_ << "joulespool-bridge export: frame " << frame.header.seq << ": " << status.error().message << '\n';
    }
    out_ << rows_;
  }

  [[nodiscard]] bool known() const { return known_; }
  [[nodiscard]] uint64_t damaged() const { return damaged_; }

 private:
  [[nodiscard]] bool samples() const { return options_.what == ExportOptions::What::samples; }

  Status add_samples(const reader::CollectedFrame& frame) {
    const auto slice = series_.samples(frame);
    if (!slice) return slice.error();
    for (size_t k = 0; k < slice->i.size(); ++k)
      codec::append_sample_row(rows_, frame.header, slice->sample_id + k * frame.header.axis.decimation, slice->i[k], slice->v[k], slice->p[k]);
    return {};
  }

  Status add_windows(const reader::CollectedFrame& frame) {
    const auto slice = series_.windows(frame);
    if (!slice) return slice.error();
    for (const wire::Window& window : slice->windows) codec::append_window_row(rows_, frame.header, window);
    return {};
  }

  const ExportOptions& options_;
  reader::DeviceSeries series_;
  std::ostream& out_;
  std::ostream& err_;
  std::string rows_;
  bool known_ = false;
  uint64_t damaged_ = 0;
};

}  // namespace

int run_export(const ExportOptions& options, sink::RecordSource& source, Clock& clock, std::stop_token stop, std::ostream& out,
               std::ostream& err) {
  CsvExport rows(options, out, err);
  reader::FrameCollector collector([&](const reader::CollectedFrame& frame) { rows.add(frame); });
  const Status scanned = reader::scan_stream(source, clock, stop, [&](sink::StoredRecord&& record) { collector.add(std::move(record)); });
  collector.finish();
  out.flush();
  if (!scanned) {
    err << "joulespool-bridge export: " << scanned.error().message << '\n';
    return exit_code(scanned.error());
  }
  if (!out) {
    err << "joulespool-bridge export: the output cannot be written\n";
    return exit_unreachable;
  }
  if (!rows.known()) err << "joulespool-bridge export: device " << options.range.device << " is not in the stream\n";
  return rows.known() && rows.damaged() == 0 ? exit_ok : exit_no;
}

}  // namespace joulespool::cli
