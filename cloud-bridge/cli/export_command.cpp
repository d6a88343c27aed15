#include "cloud-bridge/cli/export_command.h"

#include <CLI/CLI.hpp>
#include <ostream>
#include <string>

#include "agent/codec/csv.h"
#include "cloud-bridge/cli/stream_flags.h"
#include "cloud-bridge/reader/stream_scan.h"

namespace joulespool::bridge_cli {
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
      err_ << "joulespool-bridge: frame " << frame.header.seq << ": " << status.error().message << '\n';
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
      codec::append_sample_row(rows_, frame.header, slice->sample_id + k * slice->decimation, slice->i[k], slice->v[k],
                               slice->p[k]);
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

Result<ExitCode> run_export(const ExportOptions& options, sink::RecordSource& source, const Surroundings& surroundings) {
  CsvExport rows(options, surroundings.out, surroundings.err);
  reader::FrameCollector collector([&](const reader::CollectedFrame& frame) { rows.add(frame); });
  JOULESPOOL_TRY(
      reader::scan_stream(source, surroundings.clock, {}, [&](sink::StoredRecord&& record) { collector.add(std::move(record)); }),
      "export");
  collector.finish();
  surroundings.out.flush();
  if (!surroundings.out) return Error{Errc::unreachable, "export: the output cannot be written"};
  if (!rows.known()) surroundings.err << "joulespool-bridge: device " << options.range.device << " is not in the stream\n";
  return rows.known() && rows.damaged() == 0 ? exit_ok : exit_no;
}

Action add_export(CLI::App& app, const Surroundings& surroundings) {
  const auto options = std::make_shared<ExportOptions>();
  const auto flags = SettingsFlags::add(app, SettingsFlags::Which::reading);
  reader::SeriesRange& range = options->range;
  const std::map<std::string, ExportOptions::What> names = {{"windows", ExportOptions::What::windows},
                                                            {"samples", ExportOptions::What::samples}};
  app.add_option("--what", options->what, "windows (statistics, lane stat) or samples (lane wave)")
      ->transform(CLI::CheckedTransformer(names).description(""))
      ->type_name("windows|samples")
      ->default_str("windows");
  app.add_option("--device", range.device, "Id of the device")->required();
  add_time_range(app, range.from_ns, range.to_ns);
  app.add_option("--sample-from", range.sample_from, "First sample_id")->type_name("N");
  app.add_option("--sample-to", range.sample_to, "First sample_id that is not wanted any more")->type_name("N");
  add_labels(app, range.labels);
  return [options, flags, &surroundings]() -> Result<ExitCode> {
    const auto source = open_stream(*flags, surroundings);
    if (!source) return source.error();
    return run_export(*options, **source, surroundings);
  };
}

}  // namespace joulespool::bridge_cli
