#include "agent/cli/plot_source.h"

#include <algorithm>
#include <optional>
#include <set>

#include "agent/base/units.h"
#include "agent/cli/frame_rows.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

constexpr uint64_t windows_per_column_min = 2;

// Time of a sample: UTC, or where that is not known the time since the counter's start.
int64_t time_ns(const wire::FrameHeader& header, uint64_t sample_id, bool has_utc) {
  if (has_utc) return header.utc.utc_ns_at(sample_id);
  return static_cast<int64_t>(int128{sample_id} * ns_per_s / std::max(header.axis.counter_rate_hz, 1U));
}

// From the first to the last sample that is asked for, as far as it is there.
struct Span {
  bool has_utc = true;
  std::set<uint64_t> axes;
  int64_t first_ns = INT64_MAX, end_ns = INT64_MIN;

  void add(const wire::FrameHeader& header, const TimeRange& range) {
    const TimeRange::Samples samples = range.in(header);
    const uint64_t first = std::max(samples.first, header.sample_id_first), end = std::min(samples.end, header.sample_id_end);
    if (first >= end) return;
    axes.insert(header.axis.life);
    first_ns = std::min(first_ns, time_ns(header, first, has_utc));
    end_ns = std::max(end_ns, time_ns(header, end, has_utc));
  }
  [[nodiscard]] bool is_empty() const { return first_ns >= end_ns; }
  [[nodiscard]] double seconds() const { return static_cast<double>(end_ns - first_ns) / 1e9; }
};

Result<Span> span_of(spool::SpoolReader& reader, const FramePlan& plan, const TimeRange& range) {
  std::vector<wire::FrameHeader> headers;
  uint64_t gone = 0;
  const auto take = [&](const spool::StoredFrame& stored) -> Result<bool> {
    const auto read = wire::read_frame(stored.bytes);
    if (const auto* frame = std::get_if<wire::Frame>(&read); frame != nullptr) headers.push_back(frame->header);
    return true;
  };
  if (const Status status = plan.borders().walk(reader, take, gone); !status) return status.error();
  Span span;
  for (const wire::FrameHeader& header : headers) span.has_utc = span.has_utc && header.utc.quality != wire::UtcQuality::unknown;
  for (const wire::FrameHeader& header : headers) span.add(header, range);
  if (!span.has_utc && span.axes.size() > 1)
    return Error{Errc::usage, "the range has several axes and no time that they share: choose one with --epoch, --from and --to"};
  return span;
}

// Draws frame after frame into the envelope.
class Drawing {
 public:
  Drawing(const Span& span, const TimeRange& range, bool is_windows, size_t columns)
      : envelope(span.first_ns, span.end_ns, columns), has_utc_(span.has_utc), is_windows_(is_windows), range_(range) {}

  void take(const spool::StoredFrame& stored) {
    const auto read = wire::read_frame(stored.bytes);
    const auto* frame = std::get_if<wire::Frame>(&read);
    if (frame == nullptr || !stored.intact) ++damaged_frames;
    else if (range_.overlaps(frame->header)) draw(*frame);
  }

  Envelope envelope;
  uint64_t rows = 0, damaged_frames = 0, gaps = 0;
  double gap_s = 0;
  std::set<std::string> labels, resolutions;

 private:
  void draw(const wire::Frame& frame) {
    const TimeRange::Samples range = range_.in(frame.header);
    const bool has_windows_only = frame.header.kept && frame.header.kept->decimation == 0;
    const bool is_well = is_windows_ || has_windows_only ? draw_windows(frame, range) : draw_samples(frame, range);
    if (!is_well) ++damaged_frames;
    else labels.insert(labels_text(frame.header.labels));
  }

  bool draw_windows(const wire::Frame& frame, const TimeRange::Samples& range) {
    const auto read = reader_.windows(frame, range);
    if (!read) return false;
    uint64_t longest = 0;
    for (const wire::Window& window : read->windows) {
      const auto [first_ns, end_ns] = place(frame.header, window.sample_id_first, window.sample_id_end);
      envelope.add(first_ns, end_ns, {{window.i_min, window.i_max}, {window.v_min, window.v_max}, {window.p_min, window.p_max}});
      longest = std::max(longest, window.sample_id_end - window.sample_id_first);
    }
    rows += read->windows.size();
    if (longest > 0)
      resolutions.insert("windows of " + format_si(static_cast<double>(longest) / frame.header.axis.counter_rate_hz, "s"));
    return true;
  }

  bool draw_samples(const wire::Frame& frame, const TimeRange::Samples& range) {
    const auto read = reader_.samples(frame, range);
    if (!read) return false;
    if (read->i.empty()) return true;
    // A sample holds until the next one; the first of a frame at a lower rate also stands for what is before it.
    const uint64_t lead = read->sample_id_first - frame.header.sample_id_first;
    const uint64_t begin = lead < read->step ? frame.header.sample_id_first : read->sample_id_first;
    auto [first_ns, end_ns] = place(frame.header, begin, std::min(read->sample_id(read->i.size()), frame.header.sample_id_end));
    for (size_t row = 0; row < read->i.size(); ++row) {
      const int64_t next_ns = row + 1 == read->i.size() ? end_ns : time_ns(frame.header, read->sample_id(row + 1), has_utc_);
      envelope.add(first_ns, next_ns, {{read->i[row], read->i[row]}, {read->v[row], read->v[row]}, {read->p[row], read->p[row]}});
      first_ns = next_ns;
    }
    rows += read->i.size();
    resolutions.insert("samples at " + format_si(read->rate_hz(), "S/s"));
    return true;
  }

  // Where samples lie on the time axis. What follows without a gap begins where the last one ended, though each frame has a time
  // map of its own.
  std::pair<int64_t, int64_t> place(const wire::FrameHeader& header, uint64_t first, uint64_t end) {
    int64_t first_ns = time_ns(header, first, has_utc_);
    const int64_t end_ns = time_ns(header, end, has_utc_);
    const bool is_same_axis = last_axis_ == header.axis.life;
    if (is_same_axis && first == last_end_) first_ns = std::min(first_ns, last_end_ns_);
    if (last_axis_ && (!is_same_axis || first > last_end_) && first_ns > last_end_ns_) {
      ++gaps;
      gap_s += static_cast<double>(first_ns - last_end_ns_) / 1e9;
    }
    last_axis_ = header.axis.life;
    last_end_ = end;
    last_end_ns_ = end_ns;
    return {first_ns, end_ns};
  }

  const bool has_utc_, is_windows_;
  const TimeRange& range_;
  RowReader reader_;
  std::optional<uint64_t> last_axis_;
  uint64_t last_end_ = 0;
  int64_t last_end_ns_ = 0;
};

std::string moment_text(int64_t time_ns, bool has_utc) {
  return has_utc ? format_utc(time_ns, 3) : format_si(static_cast<double>(time_ns) / 1e9, "s");
}

std::string title_of(const std::string& device, const Span& span, const Drawing& drawing) {
  std::string text = device + "  " + moment_text(span.first_ns, span.has_utc) + " .. " + moment_text(span.end_ns, span.has_utc) +
                     " (" + format_si(span.seconds(), "s") + ")";
  if (!drawing.labels.empty() && !drawing.labels.begin()->empty()) text += "  " + *drawing.labels.begin();
  if (drawing.labels.size() > 1) text += "  (" + std::to_string(drawing.labels.size()) + " sets of labels)";
  return text;
}

std::string footer_of(const Drawing& drawing) {
  std::string text = std::to_string(drawing.rows) + " rows:";
  for (const std::string& resolution : drawing.resolutions)
    text += (resolution == *drawing.resolutions.begin() ? " " : ", ") + resolution;
  if (drawing.gaps > 0) text += "; " + std::to_string(drawing.gaps) + " gaps, " + format_si(drawing.gap_s, "s") + " in all";
  if (drawing.damaged_frames > 0) text += "; " + std::to_string(drawing.damaged_frames) + " DAMAGED frames left out";
  return text;
}

// The two lanes that can be drawn, of one device.
struct Sources {
  std::string device;
  TimeRange range;
  FramePlan stat, wave;
};

Result<Sources> find_sources(spool::SpoolReader& reader, const PlotRequest& request) {
  const auto usage = reader.usage();
  if (!usage) return usage.error();
  const auto lanes = request.filter.select(*usage);
  if (!lanes) return lanes.error();
  std::set<std::string> devices;
  for (const spool::LaneUsage& lane : *lanes) devices.insert(lane.sequence.device);
  if (devices.empty()) return Error{Errc::not_found, "the spool holds nothing"};
  if (devices.size() > 1) {
    std::string names;
    for (const std::string& device : devices) names += (names.empty() ? "" : ", ") + device;
    return Error{Errc::usage, "one device makes a picture: choose with --device among " + names};
  }
  const auto range = request.time.resolve(data_end_utc_ns(*lanes));
  if (!range) return range.error();
  const auto plan_of = [&](wire::Lane wanted) {
    std::vector<spool::LaneUsage> chosen;
    std::copy_if(lanes->begin(), lanes->end(), std::back_inserter(chosen),
                 [&](const spool::LaneUsage& lane) { return lane.sequence.lane == wanted; });
    return FramePlan::make(reader, chosen, *range);
  };
  auto stat = plan_of(wire::Lane::stat);
  if (!stat) return stat.error();
  auto wave = plan_of(wire::Lane::wave);
  if (!wave) return wave.error();
  return Sources{*devices.begin(), *range, std::move(*stat), std::move(*wave)};
}

// How many windows a second has, by the first frame that can be read.
Result<double> windows_per_s(spool::SpoolReader& reader, const FramePlan& stat) {
  double per_s = 0;
  uint64_t gone = 0;
  RowReader rows;
  const auto take = [&](const spool::StoredFrame& stored) -> Result<bool> {
    const auto read = wire::read_frame(stored.bytes);
    const auto* frame = std::get_if<wire::Frame>(&read);
    if (frame == nullptr) return true;
    const auto windows = rows.windows(*frame, {});
    if (!windows || windows->windows.empty() || frame->header.sample_id_end <= frame->header.sample_id_first) return true;
    per_s = static_cast<double>(windows->windows.size()) * frame->header.axis.counter_rate_hz /
            static_cast<double>(frame->header.sample_id_end - frame->header.sample_id_first);
    return false;
  };
  if (const Status status = stat.walk(reader, take, gone); !status) return status.error();
  return per_s;
}

Result<bool> draws_windows(spool::SpoolReader& reader, const PlotRequest& request, const Sources& sources) {
  if (request.what != PlotWhat::automatic) return request.what == PlotWhat::windows;
  if (sources.stat.frames() == 0 || sources.wave.frames() == 0) return sources.wave.frames() == 0;
  const auto span = span_of(reader, sources.stat, sources.range);
  if (!span) return span.error();
  const auto per_s = windows_per_s(reader, sources.stat);
  if (!per_s) return per_s.error();
  return !span->is_empty() && span->seconds() * *per_s >= static_cast<double>(windows_per_column_min * request.columns);
}

}  // namespace

Result<Plot> make_plot(spool::SpoolReader& reader, const PlotRequest& request, const PlotProgress& progress) {
  const auto sources = find_sources(reader, request);
  if (!sources) return sources.error();
  const auto is_windows = draws_windows(reader, request, *sources);
  if (!is_windows) return is_windows.error();
  const FramePlan& plan = *is_windows ? sources->stat : sources->wave;
  const auto span = span_of(reader, plan, sources->range);
  if (!span) return span.error();
  if (span->is_empty())
    return Error{Errc::not_found, sources->device + " has no " + (*is_windows ? "windows" : "samples") + " in that range"};
  Drawing drawing(*span, sources->range, *is_windows, request.columns);
  uint64_t gone = 0;
  progress(0, plan.bytes());
  const auto take = [&](const spool::StoredFrame& stored) -> Result<bool> {
    drawing.take(stored);
    progress(stored.bytes.size(), plan.bytes());
    return true;
  };
  if (const Status status = plan.walk(reader, take, gone); !status) return status.error();
  if (drawing.rows == 0 && drawing.damaged_frames > 0)
    return Error{Errc::damaged, "no frame in that range can be read (see spool verify)"};
  return Plot{title_of(sources->device, *span, drawing), footer_of(drawing), std::move(drawing.envelope), false};
}

}  // namespace joulespool::cli
