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

constexpr size_t windows_per_frame = 512;    // a stat frame is made at least this often; then halved until it fits
constexpr size_t events_per_frame = 128;     // an event is some 100 bytes: far below any frame-size-max
constexpr size_t events_pending_max = 4096;  // while the disk is full; beyond it notes are left out, gaps are joined

size_t index_of(Lane lane) { return static_cast<size_t>(lane) - 1; }

// Extends the last event if `gap` goes on where that gap ended.
bool joined(std::vector<Event>& events, const Gap& gap) {
  auto* last = events.empty() ? nullptr : std::get_if<Gap>(&events.back());
  if (last == nullptr || last->reason != gap.reason || last->axis != gap.axis || last->lane || gap.lane || last->open_ended ||
      gap.open_ended || last->sample_id_end != gap.sample_id_first)
    return false;
  last->sample_id_end = gap.sample_id_end;
  last->utc_end_ns = gap.utc_end_ns;
  last->samples_lost += gap.samples_lost;
  return true;
}

}  // namespace

DevicePipeline::DevicePipeline(PipelineSettings settings, const std::optional<spool::DevicePosition>& stored,
                               const NextSeqs& next_seqs)
    : settings_(std::move(settings)), next_seqs_(next_seqs) {
  if (!stored) return;
  ledger_ = signal::GapLedger(stored->axis, stored->sample_id_end, stored->utc);
  axis_ = stored->axis;
  utc_ = stored->utc;
  totals_ = stored->totals;
}

void DevicePipeline::record(Event event) {
  if (const auto* gap = std::get_if<Gap>(&event)) {
    if (joined(events_, *gap)) return;
  } else if (events_.size() >= events_pending_max) {
    return;
  }
  events_.push_back(std::move(event));
}

void DevicePipeline::begin_axis(const OwnedBlock& block) {
  if (!segments_.empty()) windows_.flush(segments_.back().windows);
  axis_ = block.axis;
  const uint64_t ticks = static_cast<uint64_t>(settings_.window_us) * axis_.counter_rate_hz / 1'000'000;
  const uint64_t window_ticks = std::max<uint64_t>(ticks / axis_.decimation, 1) * axis_.decimation;
  windows_ = signal::WindowAccumulator(window_ticks);
  segments_.push_back({axis_, block.utc, {}, {}, {}});
  wire::Started started{std::string(version()), settings_.boot, axis_.life, block.sample_id, {}, settings_.source, window_ticks};
  for (const Lane lane : wire::lanes) {
    const bool made = lane != Lane::wave || settings_.wave != WaveMode::off;
    if (made)
      started.lanes.push_back({lane, next_seqs_[index_of(lane)], lane != Lane::wave || settings_.wave == WaveMode::upload});
  }
  record(std::move(started));
  started_ = true;
}

void DevicePipeline::add_windows(const OwnedBlock& block, size_t skip) {
  if (block.p.empty()) {
    power_.resize(block.i.size());
    for (size_t at = 0; at < power_.size(); ++at) power_[at] = codec::product(block.i[at], block.v[at]);
  }
  const std::span<const float> power = block.p.empty() ? std::span<const float>(power_) : std::span<const float>(block.p);
  const signal::SampleSpan samples{block.sample_id, block.axis.decimation, block.i, block.v, power};
  windows_.add(samples.part(skip, block.i.size() - skip), segments_.back().windows);
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
  for (Gap& gap : ledger_.on_block(view)) record(std::move(gap));
  if (!same_axis) begin_axis(block);
  if (segments_.empty()) segments_.push_back({axis_, block.utc, {}, {}, {}});
  utc_ = segments_.back().utc = block.utc;
  add_windows(block, skip);
  segments_.back().samples.insert(block.sample_id + skip * block.axis.decimation, view.sample_id_end());
  if (settings_.wave != WaveMode::off) segments_.back().wave.add(block, skip);
  pending_samples_ += block.i.size() - skip;
  state_ = "streaming";
}

void DevicePipeline::add(const device::SourceEvent& event) {
  using Kind = device::SourceEvent::Kind;
  switch (event.kind) {
    case Kind::found: return record(wire::DeviceNote{"found", event.text, ledger_.sample_id_end()});
    case Kind::lost:
      state_ = "lost";
      ledger_.on_device_lost();
      return record(wire::DeviceNote{"lost", event.text, ledger_.sample_id_end()});
    case Kind::gap: return record(event.gap);
    case Kind::ended:
      end(event.text);
      state_ = "ended";
      return;
    case Kind::attached: return record(wire::DeviceNote{"attached", event.text, ledger_.sample_id_end()});
    case Kind::trouble: return record(wire::DeviceNote{"trouble", event.text, ledger_.sample_id_end()});
    case Kind::statistics: return;
    case Kind::note: return record(wire::DeviceNote{"note", event.text, ledger_.sample_id_end()});
  }
}

void DevicePipeline::end(const std::string& reason) {
  if (state_ == "ended") return;
  for (Gap& gap : ledger_.on_end()) record(std::move(gap));
  if (!segments_.empty()) windows_.flush(segments_.back().windows);
  if (!started_) return;
  record(wire::Stopped{reason, ledger_.sample_id_end(), {}});  // the totals are filled in when it is written
}

size_t DevicePipeline::payload_bytes_max() const {
  wire::FrameHeader widest = header(Lane::wave, axis_, utc_, {});
  widest.seq = widest.sample_id_first = widest.sample_id_end = std::numeric_limits<uint64_t>::max();
  widest.samples = widest.valid = std::numeric_limits<uint64_t>::max();
  widest.host_realtime_ns = widest.host_monotonic_ns = -1;
  widest.i_sum = widest.p_sum = -1;
  return settings_.frame_size_max_bytes - wire::write_frame(widest, {}).size() - 16;
}

wire::FrameHeader DevicePipeline::header(Lane lane, const wire::TimeAxis& axis, const wire::UtcMap& utc,
                                         const HostTime& now) const {
  wire::FrameHeader header;
  header.host = settings_.host;
  header.device = settings_.device;
  header.lane = lane;
  header.epoch = settings_.epoch;
  header.codec = lane == Lane::event ? wire::event_codec : codec::codec_1;
  header.axis = axis;
  header.utc = utc;
  header.host_realtime_ns = now.realtime_ns;
  header.host_monotonic_ns = now.monotonic_ns;
  header.labels = settings_.labels;
  return header;
}

void DevicePipeline::add_frame(wire::FrameHeader header, wire::ByteView payload, spool::FrameState state, Cut& cut) {
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
                frame.bytes.size()};
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
  if (header.valid > 0) power_w_ = static_cast<double>(header.p_sum) / units_per_one / static_cast<double>(header.valid);
  add_frame(std::move(header), payload, spool::FrameState::queued, cut);
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
  cut_windows(segment, segment.windows, now, cut);
  segment.windows.clear();
  const auto state = settings_.wave == WaveMode::keep ? spool::FrameState::kept : spool::FrameState::queued;
  segment.wave.take(end, segment.axis.decimation, payload_bytes_max(), [&](const WavePiece& piece) {
    wire::FrameHeader header = this->header(Lane::wave, segment.axis, segment.utc, now);
    header.sample_id_first = piece.sample_id_first;
    header.sample_id_end = piece.sample_id_end;
    const wire::Window sums = signal::summarise(piece.samples);
    header.samples = sums.count;
    header.valid = sums.valid;
    header.i_sum = sums.i_sum;
    header.p_sum = sums.p_sum;
    add_frame(std::move(header), piece.payload, state, cut);
  });
}

Cut DevicePipeline::cut(const HostTime& now, bool with_samples) {
  Cut cut;
  in_flight_ = {next_seqs_, totals_, {}, {}};
  for (size_t at = 0; with_samples && at < segments_.size(); ++at) {
    const bool last = at + 1 == segments_.size();
    const uint64_t end = last && windows_.open() ? windows_.open_first() : std::numeric_limits<uint64_t>::max();
    cut_segment(segments_[at], end, now, cut);
  }
  if (with_samples && segments_.size() > 1) segments_.erase(segments_.begin(), segments_.end() - 1);
  pending_samples_ = segments_.empty() ? 0 : segments_.back().wave.sample_count();
  cut_events(now, cut);
  return cut;
}

// The events to write now. A gap inside the window that is still open waits for it: stored alone, it would overlap the gap
// that a crash makes of that window's samples.
std::vector<Event> DevicePipeline::take_events() {
  std::vector<Event> now, later;
  for (Event& event : events_) {
    const auto* gap = std::get_if<Gap>(&event);
    const bool waits = gap != nullptr && !gap->lane && windows_.open() && gap->axis == axis_.life &&
                       gap->sample_id_first >= windows_.open_first();
    (waits ? later : now).push_back(std::move(event));
  }
  events_ = std::move(later);
  for (const Event& event : now)
    if (const auto* gap = std::get_if<Gap>(&event); gap != nullptr && !gap->lane) totals_.samples_lost += gap->samples_lost;
  for (Event& event : now)
    if (auto* stopped = std::get_if<wire::Stopped>(&event)) stopped->totals = totals_;
  return now;
}

void DevicePipeline::cut_events(const HostTime& now, Cut& cut) {
  if (axis_.counter_rate_hz == 0) return;  // nothing is known of the device's axis yet: events wait for it
  const std::vector<Event> events = take_events();
  for (size_t at = 0; at < events.size(); at += events_per_frame) {
    const auto first = events.begin() + static_cast<std::ptrdiff_t>(at);
    const std::vector<Event> some(first, first + static_cast<std::ptrdiff_t>(std::min(events.size() - at, events_per_frame)));
    wire::FrameHeader header = this->header(Lane::event, axis_, utc_, now);
    header.sample_id_first = header.sample_id_end = ledger_.sample_id_end();
    add_frame(std::move(header), wire::write_events(some), spool::FrameState::queued, cut);
  }
  if (!cut.frames.empty()) cut.position = spool::DevicePosition{settings_.device, axis_, first_uncut(), utc_, totals_};
  in_flight_.events.insert(in_flight_.events.end(), events.begin(), events.end());
}

std::vector<Event> DevicePipeline::committed() { return std::exchange(in_flight_, {}).events; }

void DevicePipeline::lost(wire::GapReason reason, const std::string& detail) {
  InFlight back = std::exchange(in_flight_, {});
  next_seqs_ = back.seqs;
  totals_ = back.totals;
  const std::vector<Event> later = std::exchange(events_, {});
  for (Event& event : back.events) {
    const auto* gap = std::get_if<Gap>(&event);
    if (gap != nullptr && gap->lane) continue;  // of frames that were to leave with this commit: they are still there
    record(std::move(event));
  }
  for (Gap& gap : back.samples) {
    gap.reason = reason;
    gap.detail = detail;
    record(std::move(gap));
  }
  for (const Event& event : later) record(event);
}

}  // namespace joulespool::app
