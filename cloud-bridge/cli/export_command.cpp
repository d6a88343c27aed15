#include "cloud-bridge/cli/export_command.h"

#include <CLI/CLI.hpp>
#include <ostream>
#include <set>
#include <string>

#include "agent/codec/csv.h"
#include "agent/wire/replaced_frames.h"
#include "cloud-bridge/cli/stream_flags.h"
#include "cloud-bridge/reader/stream_scan.h"

namespace joulespool::bridge_cli {
namespace {

// Which frames of lane stat stand for others. They come later than those, so this must be known before the first row is written.
class MergedFrames {
 public:
  void add(const wire::FrameHeader& header) {
    if (header.replaces.empty()) return;
    known_.insert(header.id());
    replaced_.add(header);
  }
  // False also for a merged frame that was not there yet: of what it holds, the replaced frames have been written.
  [[nodiscard]] bool count(const wire::FrameHeader& header) const {
    return !replaced_.contains(header) && (header.replaces.empty() || known_.contains(header.id()));
  }

 private:
  std::set<wire::FrameId> known_;
  wire::ReplacedFrameSet replaced_;
};

// Writes the rows of the frames that are wanted.
class CsvExport {
 public:
  CsvExport(const ExportOptions& options, const MergedFrames& merged, std::ostream& out, std::ostream& err)
      : options_(options), merged_(merged), series_(options.range), out_(out), err_(err) {
    out_ << (samples() ? codec::sample_csv_header() : codec::window_csv_header());
  }

  void add(const reader::CollectedFrame& frame) {
    known_ = known_ || frame.header.device.id == options_.range.device;
    if (frame.header.lane != (samples() ? wire::Lane::wave : wire::Lane::stat) || !series_.wants(frame.header)) return;
    if (!samples() && !merged_.count(frame.header)) return;
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
  const MergedFrames& merged_;
  reader::DeviceSeries series_;
  std::ostream& out_;
  std::ostream& err_;
  std::string rows_;
  bool known_ = false;
  uint64_t damaged_ = 0;
};

Result<MergedFrames> find_merged(const ExportOptions& options, sink::RecordSource& source, const Surroundings& surroundings) {
  MergedFrames merged;
  JOULESPOOL_TRY(reader::scan_stream(source, surroundings.clock, {},
                                     [&](sink::StoredRecord&& record) {
                                       if (record.partition_key != options.range.device) return;
                                       const auto read = wire::read_frame(record.data);
                                       const auto* frame = std::get_if<wire::Frame>(&read);
                                       if (frame != nullptr && frame->header.device.id == options.range.device)
                                         merged.add(frame->header);
                                     }),
                 "export");
  return merged;
}

}  // namespace

Result<ExitCode> run_export(const ExportOptions& options, sink::RecordSource& source, const Surroundings& surroundings) {
  MergedFrames merged;
  if (options.what == ExportOptions::What::windows) {
    auto found = find_merged(options, source, surroundings);
    if (!found) return found.error();
    merged = std::move(*found);
  }
  CsvExport rows(options, merged, surroundings.out, surroundings.err);
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
  app.footer(
      "Windows that were merged during a long outage are longer than the others (sample_id_end - sample_id) and stand behind "
      "younger\n"
      "ones; those that they were merged from are left out. To know them, the stream is read twice.");
  return [options, flags, &surroundings]() -> Result<ExitCode> {
    const auto source = open_stream(*flags, surroundings);
    if (!source) return source.error();
    return run_export(*options, **source, surroundings);
  };
}

}  // namespace joulespool::bridge_cli
