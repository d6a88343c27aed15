#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/frame_walk.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"
#include "agent/codec/csv.h"
#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/wire/frame.h"

namespace joulespool::cli {
namespace {

struct ExportFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::shared_ptr<SequenceFilter> filter;
  std::string what = "windows";
  std::string from, to;
  std::vector<std::string> labels;
  std::string output;
};

// A sample_id, or a UTC time that each frame's own map turns into one.
class Bound {
 public:
  static Result<Bound> parse(const std::string& flag, const std::string& text, uint64_t otherwise) {
    Bound bound;
    bound.sample_id_ = otherwise;
    if (text.empty()) return bound;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), bound.sample_id_);
    if (failure == std::errc() && end == text.data() + text.size()) return bound;
    const auto utc_ns = parse_utc(text);
    if (!utc_ns) return Error{Errc::usage, flag + ": must be a sample_id or a time: " + utc_ns.error().message};
    bound.utc_ns_ = *utc_ns;
    return bound;
  }
  [[nodiscard]] uint64_t in(const wire::FrameHeader& header) const {
    return utc_ns_ ? header.utc.sample_id_at(*utc_ns_) : sample_id_;
  }
  [[nodiscard]] bool needs_utc() const { return utc_ns_.has_value(); }

 private:
  uint64_t sample_id_ = 0;
  std::optional<int64_t> utc_ns_;
};

// Writes what the flags select, and counts what it cannot read.
class CsvExport {
 public:
  CsvExport(const ExportFlags& flags, Bound from, Bound to, std::ostream& out)
      : windows_(flags.what == "windows"), labels_(flags.labels), from_(from), to_(to), out_(out) {
    text_ = windows_ ? codec::window_csv_header() : codec::sample_csv_header();
  }

  Result<bool> take(const spool::StoredFrame& stored) {
    const auto read = wire::read_frame(stored.bytes);
    const auto* frame = std::get_if<wire::Frame>(&read);
    if (frame == nullptr || !stored.intact) ++unreadable_;
    else if (is_selected(frame->header)) write_rows(*frame);
    return flush(flush_bytes);
  }
  // False: the output takes no more.
  bool finish() { return flush(1) && out_.flush(); }
  [[nodiscard]] uint64_t rows() const { return rows_; }
  [[nodiscard]] uint64_t unreadable() const { return unreadable_; }

 private:
  static constexpr size_t flush_bytes = 1024 * 1024;

  [[nodiscard]] bool is_selected(const wire::FrameHeader& header) const {
    if ((from_.needs_utc() || to_.needs_utc()) && header.utc.quality == wire::UtcQuality::unknown) return false;
    for (const std::string& wanted : labels_) {
      const auto fits = [&](const wire::Label& label) { return label.key + "=" + label.value == wanted; };
      if (std::none_of(header.labels.begin(), header.labels.end(), fits)) return false;
    }
    return header.sample_id_first < to_.in(header) && header.sample_id_end > from_.in(header);
  }

  void write_rows(const wire::Frame& frame) {
    const uint64_t from = from_.in(frame.header);
    const uint64_t to = to_.in(frame.header);
    if (!(windows_ ? write_windows(frame, from, to) : write_samples(frame, from, to))) ++unreadable_;
  }

  bool write_windows(const wire::Frame& frame, uint64_t from, uint64_t to) {
    const auto windows = codec::decode_windows(frame.payload, frame.header.codec, frame.header.sample_id_first);
    if (!windows) return false;
    for (const wire::Window& window : *windows) {
      if (window.sample_id_first < from || window.sample_id_first >= to) continue;
      codec::append_window_row(text_, frame.header, window);
      ++rows_;
    }
    return true;
  }

  bool write_samples(const wire::Frame& frame, uint64_t from, uint64_t to) {
    const wire::KeptSamples kept = wire::kept_samples(frame.header);
    const auto samples = codec::decode_samples(frame.payload, frame.header.codec, kept.count);
    if (!samples) return false;
    uint64_t sample_id = kept.sample_id_first;
    for (size_t at = 0; at < samples->i.size(); ++at, sample_id += kept.decimation) {
      if (sample_id < from || sample_id >= to) continue;
      codec::append_sample_row(text_, frame.header, sample_id, samples->i[at], samples->v[at], samples->p[at]);
      ++rows_;
    }
    return true;
  }

  bool flush(size_t bytes_min) {
    if (text_.size() < bytes_min) return true;
    out_.write(text_.data(), static_cast<std::streamsize>(text_.size()));
    text_.clear();
    return out_.good();
  }

  const bool windows_;
  const std::vector<std::string>& labels_;
  const Bound from_, to_;
  std::ostream& out_;
  std::string text_;
  uint64_t rows_ = 0;
  uint64_t unreadable_ = 0;
};

Status export_lanes(spool::SpoolReader& reader, const std::vector<spool::LaneUsage>& lanes, CsvExport& csv) {
  for (const spool::LaneUsage& lane : lanes)
    JOULESPOOL_TRY(walk_frames(reader, lane.sequence, 0, [&](const spool::StoredFrame& frame) { return csv.take(frame); }),
                   "export");
  return {};
}

Result<ExitCode> export_to(const ExportFlags& flags, spool::SpoolReader& reader, std::ostream& out,
                           const Surroundings& surroundings) {
  const auto from = Bound::parse("--from", flags.from, 0);
  if (!from) return from.error();
  const auto to = Bound::parse("--to", flags.to, UINT64_MAX);
  if (!to) return to.error();
  const auto usage = reader.usage();
  if (!usage) return usage.error();
  const auto lanes = flags.filter->select(*usage);
  if (!lanes) return lanes.error();
  CsvExport csv(flags, *from, *to, out);
  if (const Status status = export_lanes(reader, *lanes, csv); !status) return status.error();
  if (!csv.finish())
    return Error{Errc::full, (flags.output.empty() ? "standard output" : flags.output) + ": cannot be written to its end"};
  if (csv.unreadable() > 0) {
    surroundings.err << "joulespool: " << csv.unreadable() << " frames are damaged and were left out (see spool verify)\n";
    return exit_no;
  }
  return exit_ok;
}

Result<ExitCode> run(const ExportFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  flags.filter->lane = flags.what == "windows" ? "stat" : "wave";
  if (flags.output.empty()) return export_to(flags, *reader.value(), surroundings.out, surroundings);
  std::ofstream file(flags.output, std::ios::binary | std::ios::trunc);
  if (!file) return Error{Errc::unreachable, flags.output + ": cannot be written"};
  return export_to(flags, *reader.value(), file, surroundings);
}

}  // namespace

Action add_spool_export(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<ExportFlags>();
  flags->spool = SpoolFlags::add(app, false);
  flags->filter = SequenceFilter::add(app, false);
  app.add_option("--what", flags->what, "windows (lane stat) or samples (lane wave); default windows")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"windows", "samples"}));
  app.add_option("--from", flags->from, "First sample_id, or UTC time: 2026-01-02T03:04:05.678Z")->type_name("SAMPLE|TIME");
  app.add_option("--to", flags->to, "Before this sample_id, or UTC time")->type_name("SAMPLE|TIME");
  app.add_option("--label", flags->labels, "Only frames with this label; may be repeated, then all must be there")
      ->type_name("key=value");
  app.add_option("--output", flags->output, "File to write instead of standard output")->type_name("FILE");
  return [flags, &surroundings] { return run(*flags, surroundings); };
}

}  // namespace joulespool::cli
