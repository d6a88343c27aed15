#include "cloud-bridge/reader/coverage.h"

#include <algorithm>

#include "agent/codec/windows.h"

namespace joulespool::reader {
namespace {

using wire::Lane;

LaneCoverage& lane_of(AxisCoverage& axis, Lane lane) { return axis.lanes[static_cast<size_t>(lane)]; }

void note_damage(DeviceCoverage& device, Lane lane, uint64_t seq, const std::string& what) {
  ++device.damaged_frames;
  if (device.damaged.size() < damaged_max)
    device.damaged.push_back(std::string(to_string(lane)) + " " + std::to_string(seq) + ": " + what);
}

void deliver(LaneCoverage& lane, Span span) {
  if (lane.delivered.insert(span.first, span.end) != 0) lane.twice.push_back(span);
}

// Joins the frame to the run that ends just before it, if there is one.
void add_to_sequence(SequenceCoverage& sequence, uint64_t seq, uint64_t life, Span span) {
  auto after = sequence.runs.upper_bound(seq);
  if (after != sequence.runs.begin()) {
    FrameRun& before = std::prev(after)->second;
    if (before.seq_last + 1 == seq && before.life == life) {
      before.seq_last = seq;
      before.sample_end = std::max(before.sample_end, span.end);
      return;
    }
  }
  sequence.runs.emplace(seq, FrameRun{seq, life, span.first, span.end});
}

void add_map(AxisCoverage& axis, uint64_t sample_id_first, const wire::UtcMap& utc) {
  if (utc.quality == wire::UtcQuality::unknown || utc.counter_rate_hz <= 0) return;
  const auto after = axis.maps.upper_bound(sample_id_first);
  if (after != axis.maps.begin() && std::prev(after)->second == utc) return;
  axis.maps.insert_or_assign(sample_id_first, utc);
}

void add_wave(AxisCoverage& axis, DeviceCoverage& device, const wire::FrameHeader& header) {
  const uint64_t ticks = header.sample_id_end - header.sample_id_first;
  if (header.samples * header.axis.decimation != ticks)
    return note_damage(device, header.lane, header.seq, "its samples do not follow each other without a gap");
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

void add_window(StatFrame& stat, const wire::Window& window, uint32_t decimation) {
  const Span span{window.sample_id_first, window.sample_id_end};
  const uint64_t missing_ticks = span.end - span.first - window.count * decimation;
  if (missing_ticks > 0) stat.partial.push_back({span, missing_ticks});
  else if (!stat.whole.empty() && stat.whole.back().end == span.first) stat.whole.back().end = span.end;
  else stat.whole.push_back(span);
}

void add_windows(StatFrame& stat, const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  const auto windows = codec::decode_windows(frame.payload(), header.codec, header.sample_id_first);
  if (!windows) return stat.damage.push_back(windows.error().message);
  if (!agrees(*windows, header)) return stat.damage.push_back("the sums of its windows are not those of its header");
  for (const wire::Window& window : *windows) {
    if (!is_possible(window, header))
      stat.damage.emplace_back("a window holds more samples than fit into it, or lies outside of its frame");
    else if (window.count > 0) add_window(stat, window, header.axis.decimation);
  }
}

void add_event(DeviceCoverage&, const wire::FrameHeader&, const std::monostate&) {}
void add_event(DeviceCoverage&, const wire::FrameHeader&, const wire::ClockCorrected&) {}
void add_event(DeviceCoverage&, const wire::FrameHeader&, const wire::DeviceNote&) {}

void add_lost_frames(DeviceCoverage& device, const wire::FrameHeader& header, const wire::Gap& gap) {
  const auto lost = [&](uint64_t epoch, wire::SeqRange seqs) {
    device.sequences[{epoch, *gap.lane}].recorded_lost.insert(seqs.first, seqs.last + 1);
  };
  if (gap.frames) lost(gap.epoch != 0 ? gap.epoch : header.epoch, *gap.frames);
  for (const wire::ReplacedFrames& frames : gap.replaced) lost(frames.epoch, frames.seqs);
}

void add_event(DeviceCoverage& device, const wire::FrameHeader& header, const wire::Gap& gap) {
  GapTotals& totals = device.gaps[gap.reason];
  ++totals.records;
  (gap.lane ? totals.lane_samples[static_cast<size_t>(*gap.lane)] : totals.samples) += gap.samples_lost;
  if (device.gap_records.size() < gap_records_max) device.gap_records.push_back(gap);
  if (gap.lane) add_lost_frames(device, header, gap);
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
  if (frame.header.codec != wire::event_codec) return note_damage(device, Lane::event, frame.header.seq, "unknown codec");
  const auto events = wire::read_events(frame.payload());
  if (!events) return note_damage(device, Lane::event, frame.header.seq, events.error().message);
  for (const wire::Event& event : *events) std::visit([&](const auto& kind) { add_event(device, frame.header, kind); }, event);
}

LaneTotals totals_of(const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  return {1, frame.bytes.size(), header.samples, header.valid, header.i_sum, header.p_sum};
}

void add_totals(LaneTotals& totals, const LaneTotals& more) {
  totals.frames += more.frames;
  totals.bytes += more.bytes;
  totals.samples += more.samples;
  totals.valid += more.valid;
  totals.i_sum = wrapping_add(totals.i_sum, more.i_sum);
  totals.p_sum = wrapping_add(totals.p_sum, more.p_sum);
}

StatFrame stat_frame_of(const CollectedFrame& frame) {
  const wire::FrameHeader& header = frame.header;
  StatFrame stat;
  stat.epoch = header.epoch;
  stat.seq = header.seq;
  stat.life = header.axis.life;
  stat.span = {header.sample_id_first, header.sample_id_end};
  stat.utc = header.utc;
  stat.totals = totals_of(frame);
  stat.replaces = header.replaces;
  add_windows(stat, frame);
  return stat;
}

// Where the samples are for which this frame stands, by the sequences that they came from.
void note_merged(DeviceCoverage& device, const StatFrame& frame) {
  device.sequences[{frame.epoch, Lane::stat}].merged.insert(frame.seq, frame.seq + 1);
  std::map<uint64_t, wire::SeqRange> reach;  // first to last, by epoch
  for (const auto& [epoch, seqs] : frame.replaces) {
    wire::SeqRange& all = reach.try_emplace(epoch, seqs).first->second;
    all = {std::min(all.first, seqs.first), std::max(all.last, seqs.last)};
  }
  for (const auto& [epoch, seqs] : reach)
    device.sequences[{epoch, Lane::stat}].replaced_runs[seqs.first] = {seqs.last, frame.life, frame.span.first, frame.span.end};
}

// Samples that are older than the seq: what came after them keeps the map that it had.
void add_older_map(AxisCoverage& axis, const StatFrame& frame) {
  const wire::UtcMap* after = axis.map_at_sample(frame.span.end);
  if (after != nullptr) axis.maps.emplace(frame.span.end, *after);
  add_map(axis, frame.span.first, frame.utc);
}

void settle(DeviceCoverage& device, const StatFrame& frame) {
  AxisCoverage& axis = device.axis(frame.life);
  add_totals(device.totals[static_cast<size_t>(Lane::stat)], frame.totals);
  axis.heard_of(frame.span.first, frame.span.end);
  if (frame.replaces.empty()) {
    add_to_sequence(device.sequences[{frame.epoch, Lane::stat}], frame.seq, frame.life, frame.span);
    add_map(axis, frame.span.first, frame.utc);
  } else {
    note_merged(device, frame);
    add_older_map(axis, frame);
  }
  for (const std::string& what : frame.damage) note_damage(device, Lane::stat, frame.seq, what);
  LaneCoverage& lane = lane_of(axis, Lane::stat);
  for (const Span& span : frame.whole) {
    deliver(lane, span);
    lane.whole.insert(span.first, span.end);
  }
  for (const PartialWindow& window : frame.partial) {
    deliver(lane, window.span);
    lane.partial.push_back(window);
  }
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
  Device& added = added_[header.device.id];
  added.settled = false;
  DeviceCoverage& device = added.recorded;
  device.device = header.device;
  if (header.lane == Lane::event) add_events(device, frame);
  AxisCoverage& axis = device.axis(header.axis.life);
  axis.counter_rate_hz = header.axis.counter_rate_hz;
  axis.decimation = header.axis.decimation;
  if (header.lane == Lane::stat) return added.stat.push_back(stat_frame_of(frame));
  const Span span{header.sample_id_first, header.sample_id_end};
  add_totals(device.totals[static_cast<size_t>(header.lane)], totals_of(frame));
  add_to_sequence(device.sequences[{header.epoch, header.lane}], header.seq, header.axis.life, span);
  add_map(axis, span.first, header.utc);
  if (header.lane == Lane::event) return;
  axis.heard_of(span.first, span.end);
  add_wave(axis, device, header);
}

const std::map<std::string, DeviceCoverage>& CoverageMap::devices() {
  for (auto& [id, added] : added_) {
    if (added.settled) continue;
    DeviceCoverage& device = devices_[id] = added.recorded;
    for (const StatFrame& frame : added.stat)
      for (const auto& [epoch, seqs] : frame.replaces)
        device.sequences[{epoch, Lane::stat}].replaced.insert(seqs.first, seqs.last + 1);
    for (const StatFrame& frame : added.stat) {
      if (device.sequences[{frame.epoch, Lane::stat}].replaced.contains(frame.seq)) ++device.replaced_frames;
      else settle(device, frame);
    }
    added.settled = true;
  }
  return devices_;
}

}  // namespace joulespool::reader
