#include "agent/app/device_pipeline.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "agent/base/units.h"
#include "agent/base/version.h"
#include "agent/codec/section.h"

namespace joulespool::app {

using wire::Event;
using wire::Gap;
using wire::Lane;

namespace {

constexpr size_t windows_per_frame = 512;   // a stat frame is made at least this often; then halved until it fits
constexpr size_t events_per_frame = 128;    // an event is some 100 bytes: far below any frame-size-max
constexpr size_t replaced_per_frame = 256;  // of 34 bytes, in gaps; one gap may have that many: 9 KiB
// While the disk is full, or the axis is not known; beyond it notes are left out and gaps are joined.
constexpr size_t events_pending_max = 4096;

size_t index_of(Lane lane) { return static_cast<size_t>(lane) - 1; }

// Extends `last` if `gap` goes on where it ended. `any_detail`: whatever is said of them.
bool joined(Event& last_event, const Gap& gap, bool any_detail) {
  auto* last = std::get_if<Gap>(&last_event);
  if (last == nullptr || last->reason != gap.reason || last->axis != gap.axis || last->lane || gap.lane || last->open_ended ||
      gap.open_ended || last->sample_id_end != gap.sample_id_first || !(any_detail || last->detail == gap.detail))
    return false;
  last->sample_id_end = gap.sample_id_end;
  last->utc_end_ns = gap.utc_end_ns;
  last->samples_lost += gap.samples_lost;
  return true;
}

size_t replaced_by(const Event& event) {
  const auto* gap = std::get_if<Gap>(&event);
  return gap == nullptr ? 0 : gap->replaced.size();
}

// Beyond events_pending_max: starts and stops are few, and give the others their place.
bool is_dispensable(const Event& event) {
  return std::holds_alternative<wire::DeviceNote>(event) || std::holds_alternative<wire::ClockCorrected>(event);
}

std::string comparison_text(const signal::Comparison& one, const char* what, const char* unit) {
  const auto value = [&](int128 units) {
    return format_si(static_cast<double>(units) / units_per_one, unit) + " (" + to_decimal(units) + ")";
  };
  return std::string(what) + " " + value(one.own) + " by its samples, " + value(one.instrument) + " by the instrument";
}

}  // namespace

DevicePipeline::DevicePipeline(PipelineSettings settings, const std::optional<spool::DevicePosition>& stored,
                               const NextSeqs& next_seqs)
    : settings_(std::move(settings)),
      next_seqs_(next_seqs),
      wave_budget_(settings_.wave_budget_bytes_per_s),
      clock_watch_(settings_.clock_tolerance_ns),
      cross_check_(settings_.cross_check_ppm) {
  if (!stored) return;
  ledger_ = signal::GapLedger(stored->axis, stored->sample_id_end, stored->utc);
  axis_ = stored->axis;
  utc_ = stored->utc;
  totals_ = stored->totals;
  clock_watch_.resume(axis_, utc_);
}

void DevicePipeline::record(Event event) { record(Recorded{std::move(event), false}); }

void DevicePipeline::record(Recorded recorded) {
  const bool full = events_.size() >= events_pending_max;
  if (const auto* gap = std::get_if<Gap>(&recorded.event)) {
    if (!events_.empty() && joined(events_.back().event, *gap, full)) return;
  } else if (full && is_dispensable(recorded.event)) {
    return;
  }
  events_.push_back(std::move(recorded));
}

void DevicePipeline::note(const char* kind, const std::string& detail, bool told) {
  record(Recorded{wire::DeviceNote{kind, detail, ledger_.sample_id_end()}, told});
}

void DevicePipeline::record_disagreement(const signal::Disagreement& found) {
  record(wire::DeviceNote{"cross-check",
                          comparison_text(found.charge, "charge", "C") + ", " + comparison_text(found.energy, "energy", "J") +
                              "; units of 2^-31 in brackets; from sample_id " + std::to_string(found.sample_id_first) + " to " +
                              std::to_string(found.sample_id_end),
                          found.sample_id_end});
}

DevicePipeline::Segment DevicePipeline::segment_of(const wire::UtcMap& utc) const {
  WaveBufferSettings wave;
  wave.axis = axis_;
  wave.window_ticks = windows_.window_ticks();
  wave.rate_hz = settings_.wave_rate_hz;
  wave.has_budget = wave_budget_.limits();
  wave.frame_bytes_max = settings_.frame_size_max_bytes;
  wave.frame_bytes_empty = empty_frame_bytes();
  return {axis_, utc, WaveBuffer(wave)};
}

void DevicePipeline::begin_axis(const OwnedBlock& block) {
  if (!segments_.empty()) windows_.flush(segments_.back().windows);
  axis_ = block.axis;
  cross_check_.begin(axis_);
  windows_ = signal::WindowAccumulator(window_ticks(settings_.window_us, axis_));
  segments_.push_back(segment_of(block.utc));
  wire::Started started{std::string(version()), settings_.boot,         axis_.life, block.sample_id, {},
                        settings_.source,       windows_.window_ticks()};
  for (const Lane lane : wire::lanes) {
    const bool made = lane != Lane::wave || settings_.wave != WaveMode::off;
    if (made)
      started.lanes.push_back({lane, next_seqs_[index_of(lane)], lane != Lane::wave || settings_.wave == WaveMode::upload});
  }
  record(std::move(started));
  started_ = true;
}

void DevicePipeline::add_windows(const OwnedBlock& block, size_t skip) {
  const signal::SampleSpan whole{block.sample_id, block.axis.decimation, block.i, block.v, block.p};
  const signal::SampleSpan samples = whole.part(skip, block.i.size() - skip);
  const signal::SampleSums before = windows_.sums();
  windows_.add(samples, segments_.back().windows);
  if (const auto found = cross_check_.on_samples(samples, before)) record_disagreement(*found);
}

void DevicePipeline::add(const OwnedBlock& block) {
  signal::SampleBlock view;
  view.sample_id = block.sample_id;
  view.axis = block.axis;
  view.utc = block.utc;
  view.i = block.i;
  view.v = block.v;
  const size_t skip = ledger_.repeated(view);
  const bool same_axis = started_ && ledger_.continues(block.axis);
  const EndedAxis before{axis_, utc_, ledger_.sample_id_end()};
  for (Gap& gap : ledger_.on_block(view)) record(std::move(gap));
  if (has_axis() && axis_ != block.axis && !events_.empty()) ended_axes_.push_back(before);
  if (!same_axis) begin_axis(block);
  if (segments_.empty()) segments_.push_back(segment_of(block.utc));
  if (auto corrected = clock_watch_.on_block(axis_, block.sample_id, block.utc)) record(std::move(*corrected));
  utc_ = segments_.back().utc = block.utc;
  add_windows(block, skip);
  segments_.back().samples.insert(block.sample_id + skip * block.axis.decimation, view.sample_id_end());
  if (settings_.wave != WaveMode::off) segments_.back().wave.add(block, skip);
  pending_samples_ += block.i.size() - skip;
  condition_.on_samples();
}

void DevicePipeline::add(const Overrun& overrun) {
  ledger_.on_hole({overrun.axis, overrun.sample_id_first, overrun.sample_id_end, wire::GapReason::overrun, {}});
}

bool DevicePipeline::add(const device::SourceEvent& event) {
  using Kind = device::SourceEvent::Kind;
  const bool news = condition_.on_event(event);
  switch (event.kind) {
    case Kind::gap:
      ledger_.on_hole({event.gap.axis, event.gap.sample_id_first, event.gap.sample_id_end, event.gap.reason, event.gap.detail});
      break;
    case Kind::statistics: {
      const device::InstrumentStatistics& of = event.statistics;
      const auto found = cross_check_.on_statistics({of.sample_id_first, of.sample_id_end, of.charge, of.energy});
      if (found) record_disagreement(*found);
      break;
    }
    case Kind::lost:
      ledger_.on_device_lost();
      if (news) note("lost", event.text);
      break;
    case Kind::ended: end(event.text); break;
    case Kind::attached:
      if (news) note("attached", event.text);
      break;
    case Kind::trouble:
      if (news) note("trouble", event.text, !has_axis());
      break;
    case Kind::found: note("found", event.text); break;
    case Kind::note: note("note", event.text); break;
  }
  return news;
}

void DevicePipeline::end(const std::string& reason) {
  if (std::exchange(ended_, true)) return;
  std::vector<Gap> gaps = ledger_.on_end();
  const bool goes_on = started_ || !gaps.empty();  // a device that ended while the agent was down does so here
  for (Gap& gap : gaps) record(std::move(gap));
  if (!segments_.empty()) windows_.flush(segments_.back().windows);
  if (!goes_on) return;
  record(wire::Stopped{reason, ledger_.sample_id_end(), {}});  // the totals are filled in when it is written
}

DeviceStatus DevicePipeline::status() const {
  DeviceStatus status;
  status.device = settings_.device;
  status.source = settings_.source;
  status.state = to_string(condition_.state());
  status.detail = condition_.detail();
  status.firmware = condition_.firmware();
  status.axis = axis_;
  status.sample_id_end = ledger_.sample_id_end();
  status.totals = totals_;
  if (live_.valid > 0) status.power_w = static_cast<double>(live_.p_sum) / units_per_one / static_cast<double>(live_.valid);
  status.live = live_;
  status.gaps = gaps_;
  status.clock = {utc_.quality, clock_watch_.corrections(), clock_watch_.last_correction_ns()};
  status.cross_check = cross_check_.counts();
  return status;
}

// At most: prefix and header.
size_t DevicePipeline::empty_frame_bytes() const {
  wire::FrameHeader widest = header(Lane::wave, axis_, utc_, {});
  widest.seq = widest.sample_id_first = widest.sample_id_end = std::numeric_limits<uint64_t>::max();
  widest.samples = std::numeric_limits<uint64_t>::max();
  widest.valid = widest.samples / 2;
  widest.utc = {widest.seq, -1, 1, wire::UtcQuality::instrument};
  widest.host_realtime_ns = widest.host_monotonic_ns = -1;
  widest.i_sum = widest.p_sum = -1;
  widest.kept = wire::Resolution{std::numeric_limits<uint32_t>::max(), std::numeric_limits<uint64_t>::max(),
                                 std::numeric_limits<uint64_t>::max(), true};
  return wire::write_frame(widest, {}).size();
}

wire::FrameHeader DevicePipeline::header(Lane lane, const wire::TimeAxis& axis, const wire::UtcMap& utc,
                                         const HostTime& now) const {
  wire::FrameHeader header;
  header.host = settings_.host;
  header.device = settings_.device;
  header.lane = lane;
  header.epoch = settings_.epoch;
  header.codec = lane == Lane::event ? wire::event_codec : codec::codec_2;
  header.axis = axis;
  header.utc = utc;
  header.host_realtime_ns = now.realtime_ns;
  header.host_monotonic_ns = now.monotonic_ns;
  header.labels = settings_.labels;
  return header;
}

void DevicePipeline::add_frame(wire::FrameHeader header, wire::ByteView payload, spool::FrameState state, Cut& cut,
                               uint8_t level) {
  header.seq = next_seqs_[index_of(header.lane)]++;
  spool::NewFrame& frame = cut.frames.emplace_back();
  frame.bytes = wire::write_frame(header, payload);
  frame.info = {header.id(),
                state,
                header.axis.life,
                header.sample_id_first,
                header.sample_id_end,
                header.utc.utc_ns_at(header.sample_id_first),
                header.utc.utc_ns_at(header.sample_id_end),
                header.samples,
                frame.bytes.size(),
                level};
}

void DevicePipeline::add_merged(std::vector<CoarseFrame> frames, uint8_t level, const HostTime& now, Cut& cut) {
  for (CoarseFrame& frame : frames) {
    frame.header.epoch = settings_.epoch;
    frame.header.host_realtime_ns = now.realtime_ns;
    frame.header.host_monotonic_ns = now.monotonic_ns;
    add_frame(std::move(frame.header), frame.payload, spool::FrameState::queued, cut, level);
  }
}

void DevicePipeline::cut_windows(const Segment& segment, std::span<const wire::Window> windows, const HostTime& now, Cut& cut) {
  if (windows.empty()) return;
  const wire::ByteView payload = window_encoder_.encode(windows, windows.front().sample_id_first);
  if (windows.size() > windows_per_frame || (windows.size() > 1 && payload.size() > payload_bytes_max())) {
    cut_windows(segment, windows.first(windows.size() / 2), now, cut);
    return cut_windows(segment, windows.subspan(windows.size() / 2), now, cut);
  }
  wire::FrameHeader header = this->header(Lane::stat, segment.axis, segment.utc, now);
  header.sample_id_first = windows.front().sample_id_first;
  header.sample_id_end = windows.back().sample_id_end;
  for (const wire::Window& window : windows) {
    header.samples += window.count;
    header.valid += window.valid;
    header.i_sum += window.i_sum;
    header.p_sum += window.p_sum;
  }
  totals_.samples += header.samples;
  totals_.valid += header.valid;
  totals_.i_sum += header.i_sum;
  totals_.p_sum += header.p_sum;
  add_frame(std::move(header), payload, spool::FrameState::queued, cut);
}

void DevicePipeline::note_live(std::span<const wire::Window> windows) {
  if (windows.empty()) return;
  live_ = {};
  for (const wire::Window& window : windows) live_.merge(window);
}

// Remembers the samples before `end` as the gaps they become if this cut is lost.
void DevicePipeline::note_lost_if(const Segment& segment, uint64_t end) {
  for (const auto& run : segment.samples.intervals()) {
    if (run.first >= end) break;
    Gap gap;
    gap.axis = segment.axis.life;
    gap.sample_id_first = run.first;
    gap.sample_id_end = std::min(run.end, end);
    gap.samples_lost = (gap.sample_id_end - gap.sample_id_first) / segment.axis.decimation;
    gap.utc_first_ns = segment.utc.utc_ns_at(gap.sample_id_first);
    gap.utc_end_ns = segment.utc.utc_ns_at(gap.sample_id_end);
    in_flight_.samples.push_back(std::move(gap));
  }
}

void DevicePipeline::cut_segment(Segment& segment, uint64_t end, const HostTime& now, Cut& cut) {
  note_lost_if(segment, end);
  segment.samples.erase_below(end);
  const auto after = std::partition_point(segment.windows.begin(), segment.windows.end(),
                                          [&](const wire::Window& window) { return window.sample_id_first < end; });
  const auto complete = std::span(segment.windows.begin(), after);
  note_live(complete);
  cut_windows(segment, complete, now, cut);
  segment.windows.erase(segment.windows.begin(), after);
  const auto state = settings_.wave == WaveMode::keep ? spool::FrameState::kept : spool::FrameState::queued;
  const bool goes_on = end != std::numeric_limits<uint64_t>::max() && !ended_;
  segment.wave.take(end, !goes_on, wave_budget_, [&](const WavePiece& piece) {
    wire::FrameHeader header = this->header(Lane::wave, segment.axis, segment.utc, now);
    header.sample_id_first = piece.sample_id_first;
    header.sample_id_end = piece.sample_id_end;
    header.samples = piece.sums.count;
    header.valid = piece.sums.valid;
    header.i_sum = piece.sums.i_sum;
    header.p_sum = piece.sums.p_sum;
    header.kept = piece.kept;
    add_frame(std::move(header), piece.payload, state, cut);
  });
}

Cut DevicePipeline::cut(const HostTime& now, bool with_samples) {
  Cut cut;
  in_flight_ = {next_seqs_, totals_, {}, {}, {}};
  for (size_t at = 0; with_samples && at < segments_.size(); ++at) {
    const bool last = at + 1 == segments_.size();
    cut_segment(segments_[at], last ? cut_end() : std::numeric_limits<uint64_t>::max(), now, cut);
  }
  if (with_samples && segments_.size() > 1) segments_.erase(segments_.begin(), segments_.end() - 1);
  if (with_samples) pending_samples_ = 0;
  cut_events(now, cut);
  return cut;
}

// The first sample of the axis that is in no cut.
std::optional<uint64_t> DevicePipeline::first_waiting() const {
  if (!segments_.empty() && !segments_.back().windows.empty()) return segments_.back().windows.front().sample_id_first;
  if (windows_.open()) return windows_.open_first();
  return std::nullopt;
}

// Where a cut ends the lanes of the axis: before a window that is open, or whose waveform waits for samples to come.
uint64_t DevicePipeline::cut_end() const {
  const uint64_t takeable = ended_ ? std::numeric_limits<uint64_t>::max() : segments_.back().wave.takeable_end();
  for (const wire::Window& window : segments_.back().windows)
    if (window.sample_id_end > takeable) return window.sample_id_first;
  return windows_.open() ? windows_.open_first() : std::numeric_limits<uint64_t>::max();
}

// The events to write now. A gap behind samples that wait, waits for them: stored alone, it would overlap the gap that a crash
// makes of them.
std::vector<DevicePipeline::Recorded> DevicePipeline::take_events() {
  std::vector<Recorded> now, later;
  const std::optional<uint64_t> waiting = first_waiting();
  for (Recorded& recorded : events_) {
    const auto* gap = std::get_if<Gap>(&recorded.event);
    const bool waits = gap != nullptr && !gap->lane && waiting && gap->axis == axis_.life && gap->sample_id_first >= *waiting;
    (waits ? later : now).push_back(std::move(recorded));
  }
  events_ = std::move(later);
  for (const Recorded& recorded : now)
    if (const auto* gap = std::get_if<Gap>(&recorded.event); gap != nullptr && !gap->lane)
      totals_.samples_lost += gap->samples_lost;
  for (Recorded& recorded : now)
    if (auto* stopped = std::get_if<wire::Stopped>(&recorded.event)) stopped->totals = totals_;
  return now;
}

void DevicePipeline::cut_event_frame(std::span<const Recorded> events, const EndedAxis& of, const HostTime& now, Cut& cut) {
  std::vector<Event> payload;
  for (const Recorded& recorded : events) payload.push_back(recorded.event);
  wire::FrameHeader header = this->header(Lane::event, of.axis, of.utc, now);
  header.sample_id_first = header.sample_id_end = of.sample_id_end;
  add_frame(std::move(header), wire::write_events(payload), spool::FrameState::queued, cut);
}

// A frame's events are of one axis: a start that another axis begins with begins a frame, too.
void DevicePipeline::cut_events(const HostTime& now, Cut& cut) {
  if (!has_axis()) return;  // nothing is known of the device's axis yet: events wait for it
  const std::vector<Recorded> events = take_events();
  std::vector<EndedAxis> axes = std::exchange(ended_axes_, {});
  in_flight_.ended_axes.insert(in_flight_.ended_axes.end(), axes.begin(), axes.end());
  axes.push_back({axis_, utc_, ledger_.sample_id_end()});
  const auto begins_axis = [&](const Recorded& recorded, size_t axis) {
    const auto* started = std::get_if<wire::Started>(&recorded.event);
    return started != nullptr && axis + 1 < axes.size() && started->axis == axes[axis + 1].axis.life;
  };
  size_t axis = 0;
  for (size_t at = 0; at < events.size();) {
    if (begins_axis(events[at], axis)) ++axis;
    size_t count = 1;
    for (size_t replaced = replaced_by(events[at].event); count < events_per_frame && at + count < events.size(); ++count) {
      replaced += replaced_by(events[at + count].event);
      if (begins_axis(events[at + count], axis) || replaced > replaced_per_frame) break;
    }
    cut_event_frame(std::span(events).subspan(at, count), axes[axis], now, cut);
    at += count;
  }
  if (!cut.frames.empty())
    cut.position =
        spool::DevicePosition{settings_.device, axis_, first_waiting().value_or(ledger_.sample_id_end()), utc_, totals_};
  in_flight_.events.insert(in_flight_.events.end(), events.begin(), events.end());
}

std::vector<Event> DevicePipeline::committed() {
  std::vector<Event> untold;
  for (Recorded& recorded : std::exchange(in_flight_, {}).events) {
    if (const auto* gap = std::get_if<Gap>(&recorded.event)) {
      ++gaps_[gap->reason].records;
      gaps_[gap->reason].samples += gap->samples_lost;
    }
    if (!recorded.told) untold.push_back(std::move(recorded.event));
  }
  return untold;
}

void DevicePipeline::lost(wire::GapReason reason, const std::string& detail) {
  InFlight back = std::exchange(in_flight_, {});
  next_seqs_ = back.seqs;
  totals_ = back.totals;
  const std::vector<Recorded> later = std::exchange(events_, {});
  ended_axes_.insert(ended_axes_.begin(), back.ended_axes.begin(), back.ended_axes.end());
  for (Recorded& recorded : back.events) {
    const auto* gap = std::get_if<Gap>(&recorded.event);
    if (gap != nullptr && gap->lane) continue;  // of frames that were to leave with this commit: they are still there
    record(std::move(recorded));
  }
  for (Gap& gap : back.samples) {
    gap.reason = reason;
    gap.detail = detail;
    record(std::move(gap));
  }
  for (const Recorded& recorded : later) record(recorded);
}

}  // namespace joulespool::app
