#include "cloud-bridge/reader/coverage.h"

#include <algorithm>

#include "agent/codec/windows.h"

namespace joulespool::reader {
namespace {

using wire::Lane;

LaneCoverage& lane_of(AxisCoverage& axis, Lane lane) { return axis.lanes[static_cast<size_t>(lane)]; }

void note_damage(DeviceCoverage& device, const wire::FrameHeader& header, const std::string& what) {
  ++device.damaged_frames;
  if (device.damaged.size() < damaged_max)
    device.damaged.push_back(std::string(to_string(header.lane)) + " " + std::to_string(header.seq) + ": " + what);
}

void deliver(LaneCoverage& lane, Span span) {
  if (lane.delivered.insert(span.first, span.end) != 0) lane.twice.push_back(span);
}

// Joins the frame to the run that ends just before it, if there is one.
void add_to_sequence(SequenceCoverage& sequence, const wire::FrameHeader& header) {
  auto after = sequence.runs.upper_bound(header.seq);
  if (after != sequence.runs.begin()) {
    FrameRun& before = std::prev(after)->second;
    if (before.seq_last + 1 == header.seq && before.life == header.axis.life) {
      before.seq_last = header.seq;
      before.sample_end = std::max(before.sample_end, header.sample_id_end);
      return;
    }
  }
  sequence.runs.emplace(header.seq, FrameRun{header.seq, header.axis.life, header.sample_id_first, header.sample_id_end});
}

void add_map(AxisCoverage& axis, const wire::FrameHeader& header) {
  if (header.utc.quality == wire::UtcQuality::unknown || header.utc.counter_rate_hz <= 0) return;
  const auto after = axis.maps.upper_bound(header.sample_id_first);
  if (after != axis.maps.begin() && std::prev(after)->second == header.utc) return;
  axis.maps.insert_or_assign(header.sample_id_first, header.utc);
}

void add_wave(AxisCoverage& axis, DeviceCoverage& device, const wire::FrameHeader& header) {
  const uint64_t ticks = header.sample_id_end - header.sample_id_first;
  if (header.samples * header.axis.decimation != ticks)
    return note_damage(device, header, "its samples do not follow each other without a gap");
  deliver(lane_of(axis, Lane::wave), {header.sample_id_first, header.sample_id_end});
  lane_of(axis, Lane::wave).whole.insert(header.sample_id_first, header.sample_id_end);
}

// Windows' counts and sums must be those of the header.
bool agrees(const std::vector<wire::Window>& windows, const wire::FrameHeader& header) {
  wire::Window all;
  for (const wire::Window& window : windows) all.merge(window);
  return all.count == header.samples && all.valid == header.valid && all.i_sum == header.i_sum && all.p_sum == header.p_sum;
}

bool is_possible(const wire::Window& window, const wire::FrameHeader& header) {
  const bool inside = header.sample_id_first <= window.sample_id_first && window.sample_id_first <= window.sample_id_end &&
                      window.sample_id_end <= header.sample_id_end;
  return inside && window.count * header.axis.decimation <= window.sample_id_end - window.sample_id_first;
}

void add_stat(AxisCoverage& axis, DeviceCoverage& device, const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  const auto windows = codec::decode_windows(frame.payload(), header.codec, header.sample_id_first);
  if (!windows) return note_damage(device, header, windows.error().message);
  if (!agrees(*windows, header)) return note_damage(device, header, "the sums of its windows are not those of its header");
  LaneCoverage& lane = lane_of(axis, Lane::stat);
  for (const wire::Window& window : *windows) {
    if (!is_possible(window, header)) {
      note_damage(device, header, "a window holds more samples than fit into it, or lies outside of its frame");
      continue;
    }
    const uint64_t ticks = window.sample_id_end - window.sample_id_first;
    const uint64_t missing_ticks = ticks - window.count * header.axis.decimation;
    if (window.count == 0) continue;
    const Span span{window.sample_id_first, window.sample_id_end};
    deliver(lane, span);
    if (missing_ticks == 0) lane.whole.insert(span.first, span.end);
    else lane.partial.push_back({span, missing_ticks});
  }
}

void add_event(DeviceCoverage&, const wire::FrameHeader&, const std::monostate&) {}
void add_event(DeviceCoverage&, const wire::FrameHeader&, const wire::ClockCorrected&) {}
void add_event(DeviceCoverage&, const wire::FrameHeader&, const wire::DeviceNote&) {}

void add_event(DeviceCoverage& device, const wire::FrameHeader& header, const wire::Gap& gap) {
  GapTotals& totals = device.gaps[gap.reason];
  ++totals.records;
  (gap.lane ? totals.lane_samples[static_cast<size_t>(*gap.lane)] : totals.samples) += gap.samples_lost;
  if (device.gap_records.size() < gap_records_max) device.gap_records.push_back(gap);
  if (gap.lane && gap.frames)
    device.sequences[{header.epoch, *gap.lane}].recorded_lost.insert(gap.frames->first, gap.frames->last + 1);
  AxisCoverage& axis = device.axis(gap.axis != 0 ? gap.axis : header.axis.life);
  if (gap.open_ended) {
    axis.open_ended_from = std::min(axis.open_ended_from.value_or(UINT64_MAX), gap.sample_id_first);
    axis.heard_of(gap.sample_id_first, gap.sample_id_first);
    return;
  }
  if (gap.sample_id_end <= gap.sample_id_first) return;
  (gap.lane ? lane_of(axis, *gap.lane).lost : axis.gaps).insert(gap.sample_id_first, gap.sample_id_end);
  axis.heard_of(gap.sample_id_first, gap.sample_id_end);
}

void add_event(DeviceCoverage& device, const wire::FrameHeader& header, const wire::Started& started) {
  AxisCoverage& axis = device.axis(started.axis);
  axis.runs[started.sample_id] = {header.epoch, started.lanes};
  axis.heard_of(started.sample_id, started.sample_id);
  for (const wire::LaneStart& lane : started.lanes)
    device.sequences[{header.epoch, lane.lane}].starts[lane.next_seq] = lane.uploaded;
}

void add_event(DeviceCoverage& device, const wire::FrameHeader& header, const wire::Stopped& stopped) {
  AxisCoverage& axis = device.axis(header.axis.life);
  axis.stopped_at = std::max(axis.stopped_at.value_or(0), stopped.sample_id_end);
  if (stopped.sample_id_end > 0) axis.heard_of(stopped.sample_id_end, stopped.sample_id_end);
}

void add_events(DeviceCoverage& device, const CollectedFrame& frame) {
  if (frame.header.codec != wire::event_codec) return note_damage(device, frame.header, "unknown codec");
  const auto events = wire::read_events(frame.payload());
  if (!events) return note_damage(device, frame.header, events.error().message);
  for (const wire::Event& event : *events) std::visit([&](const auto& kind) { add_event(device, frame.header, kind); }, event);
}

void add_totals(LaneTotals& totals, const CollectedFrame& frame) {
  ++totals.frames;
  totals.bytes += frame.bytes.size();
  totals.samples += frame.header.samples;
  totals.valid += frame.header.valid;
  totals.i_sum = wrapping_add(totals.i_sum, frame.header.i_sum);
  totals.p_sum = wrapping_add(totals.p_sum, frame.header.p_sum);
}

}  // namespace

void AxisCoverage::heard_of(uint64_t sample_id_first, uint64_t sample_id_end) {
  first = std::min(first, sample_id_first);
  end = std::max(end, sample_id_end);
}

const wire::UtcMap* AxisCoverage::map_at_sample(uint64_t sample_id) const {
  if (maps.empty()) return nullptr;
  const auto after = maps.upper_bound(sample_id);
  return after == maps.begin() ? &after->second : &std::prev(after)->second;
}

const wire::UtcMap* AxisCoverage::map_at_time(int64_t utc_ns) const {
  const wire::UtcMap* in_force = nullptr;
  for (const auto& [sample_id, map] : maps)
    if (in_force == nullptr || map.utc_ns_at(sample_id) <= utc_ns) in_force = &map;
  return in_force;
}

AxisCoverage& DeviceCoverage::axis(uint64_t life) {
  for (AxisCoverage& known : axes)
    if (known.life == life) return known;
  axes.emplace_back().life = life;
  return axes.back();
}

const AxisCoverage* DeviceCoverage::find_axis(uint64_t life) const {
  for (const AxisCoverage& known : axes)
    if (known.life == life) return &known;
  return nullptr;
}

void CoverageMap::add(const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  DeviceCoverage& device = devices_[header.device.id];
  device.device = header.device;
  add_totals(device.totals[static_cast<size_t>(header.lane)], frame);
  add_to_sequence(device.sequences[{header.epoch, header.lane}], header);
  if (header.lane == Lane::event) add_events(device, frame);
  AxisCoverage& axis = device.axis(header.axis.life);
  axis.counter_rate_hz = header.axis.counter_rate_hz;
  axis.decimation = header.axis.decimation;
  add_map(axis, header);
  if (header.lane == Lane::event) return;
  axis.heard_of(header.sample_id_first, header.sample_id_end);
  if (header.lane == Lane::stat) add_stat(axis, device, frame);
  else add_wave(axis, device, header);
}

}  // namespace joulespool::reader
