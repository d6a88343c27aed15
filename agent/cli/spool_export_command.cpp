#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/cli/export_format.h"
#include "agent/cli/export_report.h"
#include "agent/cli/frame_plan.h"
#include "agent/cli/progress.h"
#include "agent/cli/settings_flags.h"

namespace joulespool::cli {
namespace {

constexpr const char* jls_library_variable = "JOULESPOOL_JLS_LIBRARY";

struct ExportFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::shared_ptr<SequenceFilter> filter;
  std::shared_ptr<TimeFlags> time;
  std::string format = "csv";
  std::string what;  // empty: what the format is for
  std::vector<std::string> labels;
  std::string output;
  std::string jls_library;
  bool is_quiet = false;

  [[nodiscard]] bool is_windows() const { return what == "windows"; }
};

// Fills in what was not said. Errors: usage.
Status settle(ExportFlags& flags) {
  const bool is_for_samples = flags.format == "raw" || flags.format == "jls";
  if (flags.what.empty()) flags.what = is_for_samples || flags.filter->lane == "wave" ? "samples" : "windows";
  if (is_for_samples && flags.is_windows())
    return Error{Errc::usage, "--format " + flags.format + " holds samples: windows can be exported as csv or columns"};
  if (flags.filter->lane.empty()) flags.filter->lane = flags.is_windows() ? "stat" : "wave";
  if (flags.filter->lane == "event") return Error{Errc::usage, "--lane event has neither windows nor samples: see spool show"};
  if (!flags.is_windows() && flags.filter->lane == "stat")
    return Error{Errc::usage, "--lane stat has windows, not samples: use --what windows, or --lane wave"};
  if (flags.format != "csv" && flags.output.empty())
    return Error{Errc::usage, "--format " + flags.format + " writes a directory: name it with --output"};
  if (flags.spool->json && flags.output.empty())
    return Error{Errc::usage, "--json answers on standard output: name a place for the rows with --output"};
  for (const std::string& label : flags.labels)
    if (label.find('=') == std::string::npos || label.front() == '=')
      return Error{Errc::usage, "--label: '" + label + "' is not key=value"};
  return {};
}

Result<std::unique_ptr<ExportFormat>> make_format(const ExportFlags& flags, const Surroundings& surroundings) {
  if (flags.format == "columns") return make_column_format(flags.output);
  if (flags.format == "raw") return make_raw_format(flags.output);
  if (flags.format == "csv") return make_csv_format(flags.is_windows(), flags.output, surroundings.out);
  const auto variable = surroundings.environment.find(jls_library_variable);
  const bool is_in_environment = flags.jls_library.empty() && variable != surroundings.environment.end();
  return make_jls_format(flags.output, is_in_environment ? variable->second : flags.jls_library);
}

// Takes frame by frame what the flags select, and keeps the account.
class Export {
 public:
  Export(const ExportFlags& flags, const TimeRange& range, ExportFormat& format)
      : flags_(flags), range_(range), format_(format) {}

  Result<bool> take(const spool::StoredFrame& stored) {
    const auto read = wire::read_frame(stored.bytes);
    const auto* frame = std::get_if<wire::Frame>(&read);
    if (frame == nullptr || !stored.intact) ++report.damaged_frames;
    else if (is_selected(frame->header))
      if (const Status status = flags_.is_windows() ? take_windows(*frame) : take_samples(*frame); !status) return status.error();
    return true;
  }

  ExportReport report;

 private:
  [[nodiscard]] bool is_selected(const wire::FrameHeader& header) const {
    const auto has = [&](const std::string& wanted) {
      return std::any_of(header.labels.begin(), header.labels.end(),
                         [&](const wire::Label& label) { return label.key + "=" + label.value == wanted; });
    };
    return range_.overlaps(header) && std::all_of(flags_.labels.begin(), flags_.labels.end(), has);
  }
  [[nodiscard]] static bool is_whole(const wire::FrameHeader& header, const TimeRange::Samples& range) {
    return range.first <= header.sample_id_first && range.end >= header.sample_id_end;
  }

  Status take_windows(const wire::Frame& frame) {
    const TimeRange::Samples range = range_.in(frame.header);
    const auto rows = reader_.windows(frame, range);
    if (!rows) return damaged();
    const bool has_none = frame.header.lane == wire::Lane::wave && frame.header.keeps_all();
    report.add(*rows, reader_.sums(), is_whole(frame.header, range) && !has_none);
    return format_.take(*rows);
  }

  Status take_samples(const wire::Frame& frame) {
    const TimeRange::Samples range = range_.in(frame.header);
    const auto rows = reader_.samples(frame, range);
    if (!rows) return damaged();
    if (!frame.header.keeps_all() && frame.header.kept->decimation == 0) report.add_without_samples(frame.header);
    else report.add(*rows, reader_.sums(), is_whole(frame.header, range));
    return format_.take(*rows);
  }

  Status damaged() {
    ++report.damaged_frames;
    return {};
  }

  const ExportFlags& flags_;
  const TimeRange& range_;
  ExportFormat& format_;
  RowReader reader_;
};

Result<ExitCode> export_plan(const ExportFlags& flags, const TimeRange& range, const FramePlan& plan, spool::SpoolReader& reader,
                             const Surroundings& surroundings) {
  const auto format = make_format(flags, surroundings);
  if (!format) return format.error();
  Export work(flags, range, **format);
  work.report.replaced_frames = plan.replaced();
  {
    const bool is_quiet = flags.is_quiet || flags.spool->json;
    Progress progress(surroundings.clock, surroundings.err, shows_progress(surroundings, is_quiet), "export", plan.bytes(),
                      Progress::Unit::bytes);
    const auto take = [&](const spool::StoredFrame& stored) {
      progress.advance(stored.bytes.size());
      return work.take(stored);
    };
    if (const Status status = plan.walk(reader, take, work.report.gone_frames); !status) return status.error();
    if (const Status status = (*format)->finish(); !status) return status.error();
  }
  if (flags.spool->json) surroundings.out << work.report.to_json().dump(2) << '\n';
  else if (!flags.is_quiet || !work.report.is_well()) work.report.print(surroundings.err);
  return work.report.is_well() ? exit_ok : exit_no;
}

Result<ExitCode> run(ExportFlags& flags, const Surroundings& surroundings) {
  if (const Status status = settle(flags); !status) return status.error();
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  const auto usage = (*reader)->usage();
  if (!usage) return usage.error();
  const auto lanes = flags.filter->select(*usage);
  if (!lanes) return lanes.error();
  const auto range = flags.time->resolve(data_end_utc_ns(*lanes));
  if (!range) return range.error();
  const auto plan = FramePlan::make(**reader, *lanes, *range);
  if (!plan) return plan.error();
  return export_plan(flags, *range, *plan, **reader, surroundings);
}

}  // namespace

Action add_spool_export(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<ExportFlags>();
  flags->spool = SpoolFlags::add(app);
  flags->filter = SequenceFilter::add(app, true);
  flags->time = TimeFlags::add(app);
  app.add_option("--format", flags->format,
                 "csv (default), columns (a file per column, for numpy, Arrow, Parquet), raw (float32 files of i, v, p) or jls "
                 "(Joulescope's own files, through libjls); see docs/export.md")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"csv", "columns", "raw", "jls"}));
  app.add_option("--what", flags->what,
                 "windows (of lane stat, or with --lane wave of frames that keep no or fewer samples) or samples (lane wave); "
                 "default: windows for csv and columns, samples for raw and jls")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"windows", "samples"}));
  app.add_option("--label", flags->labels, "Only frames with this label; may be repeated, then all must be there")
      ->type_name("key=value");
  app.add_option("--output", flags->output,
                 "File to write instead of standard output (csv), or directory to make (the others); it gets its name when all "
                 "of it is written")
      ->type_name("FILE|DIR");
  app.add_option("--jls-library", flags->jls_library,
                 std::string("libjls for --format jls, instead of libjls.so (also: ") + jls_library_variable + ")")
      ->type_name("FILE");
  app.add_flag("--quiet", flags->is_quiet, "No report and no progress on standard error, unless something is wrong");
  return [flags, &surroundings] { return run(*flags, surroundings); };
}

}  // namespace joulespool::cli
