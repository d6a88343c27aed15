#include "cloud-bridge/reader/completeness.h"

#include <algorithm>

namespace joulespool::reader {
namespace {

using wire::Lane;

uint64_t size_of(Span span) { return span.end > span.first ? span.end - span.first : 0; }

// Ticks of `span` that are in `set`.
uint64_t overlap(const IntervalSet& set, Span span) {
  uint64_t outside = 0;
  for (const Span& hole : set.missing(span.first, span.end)) outside += size_of(hole);
  return size_of(span) - outside;
}

// The first sample that is not before `utc_ns` (that is not after: `limit` when the axis has no UTC).
uint64_t sample_at(const AxisCoverage& axis, std::optional<int64_t> utc_ns, uint64_t limit) {
  if (!utc_ns) return limit;
  const wire::UtcMap* map = axis.map_at_time(*utc_ns);
  return map == nullptr ? limit : map->sample_id_at(*utc_ns);
}

bool has_ended(const AxisCoverage& axis) {
  const bool stopped = axis.stopped_at && *axis.stopped_at >= axis.end;
  return axis.open_ended_from || stopped;
}

// What must be accounted for: from the first to the last sample heard of, cut to the range. A later end that was asked for
// counts unless the axis ended (or was followed by another: then only its own end shows).
Span asked_of(const AxisCoverage& axis, const TimeRange& range, bool newest) {
  const uint64_t from = std::max(axis.first, sample_at(axis, range.from_ns, 0));
  uint64_t to = sample_at(axis, range.to_ns, axis.end);
  if (has_ended(axis) || !newest) to = std::min(to, axis.end);
  return {from, std::max(from, to)};
}

// Parts of `asked` for which `lane` was uploaded, by the starts of the agent on this axis. Before the first start that is
// known (older records expired), what the device did on its axis before counts; if nothing is known, a lane that has samples.
std::vector<Span> uploaded_parts(const AxisCoverage& axis, Lane lane, Span asked, const Run* before) {
  std::vector<Span> parts;
  const auto uploads = [&](const Run& run) {
    return std::any_of(run.lanes.begin(), run.lanes.end(),
                       [&](const wire::LaneStart& start) { return start.lane == lane && start.uploaded; });
  };
  const auto add = [&](uint64_t first, uint64_t end, bool uploaded) {
    const Span part{std::max(first, asked.first), std::min(end, asked.end)};
    if (uploaded && size_of(part) > 0) parts.push_back(part);
  };
  const bool known_before = before != nullptr ? uploads(*before) : !axis.lane(lane).delivered.empty();
  uint64_t first = 0;
  bool uploaded = known_before;
  for (const auto& [sample_id, run] : axis.runs) {
    add(first, sample_id, uploaded);
    first = sample_id;
    uploaded = uploads(run);
  }
  add(first, UINT64_MAX, uploaded);
  return parts;
}

class AxisJudge {
 public:
  AxisJudge(const AxisCoverage& axis, Verdict& verdict) : axis_(axis), verdict_(verdict) {}

  void judge_lane(Lane lane, const std::vector<Span>& parts) {
    const LaneCoverage& coverage = axis_.lane(lane);
    IntervalSet accounted = coverage.delivered;
    for (const IntervalSet* records : {&axis_.gaps, &coverage.lost})
      for (const Span& span : records->intervals()) accounted.insert(span.first, span.end);
    for (const Span& part : parts) {
      for (const Span& hole : accounted.missing(part.first, part.end))
        miss(lane, hole, size_of(hole), "no frame has them and no record explains it");
      for (const PartialWindow& partial : coverage.partial) judge_partial(lane, partial, part);
      judge_contradictions(lane, coverage, part);
    }
  }

 private:
  // A window that spans a gap: as many ticks as it lacks must be recorded as lost, for all lanes or, where windows were merged
  // over lost ones, for this one.
  void judge_partial(Lane lane, const PartialWindow& partial, Span part) {
    if (partial.span.first < part.first || partial.span.first >= part.end) return;
    const uint64_t recorded = overlap(axis_.gaps, partial.span);
    const uint64_t explained = recorded + lost_alone(lane, partial.span);
    if (explained < partial.missing_ticks)
      miss(lane, partial.span, partial.missing_ticks - explained, "a window lacks samples and no record explains it");
    if (recorded > partial.missing_ticks) contradict(lane, partial.span, "a window holds samples that a record says no lane has");
  }

  // Ticks of `span` that are recorded as lost for this lane, but not for all.
  [[nodiscard]] uint64_t lost_alone(Lane lane, Span span) const {
    uint64_t ticks = 0;
    for (const Span& part : axis_.gaps.missing(span.first, span.end)) ticks += overlap(axis_.lane(lane).lost, part);
    return ticks;
  }

  void judge_contradictions(Lane lane, const LaneCoverage& coverage, Span part) {
    for (const Span& twice : coverage.twice)
      if (twice.first < part.end && twice.end > part.first) contradict(lane, twice, "came twice, in different frames");
    for (const Span& gap : axis_.gaps.intervals())
      if (gap.first < part.end && gap.end > part.first && overlap(coverage.whole, gap) > 0)
        contradict(lane, gap, "a record says that no lane has them, but some came");
  }

  void miss(Lane lane, Span span, uint64_t ticks, std::string why) {
    const wire::UtcMap* map = axis_.map_at_sample(span.first);
    MissingSamples missing{axis_.life, lane, span, ticks / axis_.decimation, 0, 0, std::move(why)};
    if (map != nullptr) {
      missing.utc_first_ns = map->utc_ns_at(span.first);
      missing.utc_end_ns = map->utc_ns_at(span.end);
    }
    verdict_.missing_samples.push_back(std::move(missing));
  }

  void contradict(Lane lane, Span span, std::string what) {
    verdict_.contradictions.push_back({axis_.life, lane, span, std::move(what)});
  }

  const AxisCoverage& axis_;
  Verdict& verdict_;
};

// An axis that another one followed, though neither Stopped nor an open-ended gap says so: what came after it is unknown.
void note_silent_end(const AxisCoverage& axis, Verdict& verdict) {
  const wire::UtcMap* map = axis.map_at_sample(axis.end);
  const int64_t utc_ns = map == nullptr ? 0 : map->utc_ns_at(axis.end);
  verdict.missing_samples.push_back(
      {axis.life, Lane::stat, {axis.end, axis.end}, 0, utc_ns, utc_ns, "the counter restarted and no record says what was lost"});
}

void judge_axis(const AxisCoverage& axis, Span asked, const Run* before, Verdict& verdict) {
  AxisVerdict& mine = verdict.axes.emplace_back();
  mine.axis = axis.life;
  mine.asked = asked;
  mine.gap_ticks = overlap(axis.gaps, asked);
  mine.ended = has_ended(axis);
  AxisJudge judge(axis, verdict);
  for (const Lane lane : {Lane::stat, Lane::wave}) {
    const auto parts = uploaded_parts(axis, lane, asked, before);
    if (parts.empty()) continue;
    mine.lanes.push_back(lane);
    judge.judge_lane(lane, parts);
  }
}

// Numbers that nobody has to explain: of frames that stay on the host.
void insert_kept(const SequenceCoverage& sequence, uint64_t end, IntervalSet& explained) {
  for (auto start = sequence.starts.begin(); start != sequence.starts.end(); ++start) {
    const auto next = std::next(start);
    if (!start->second) explained.insert(start->first, next == sequence.starts.end() ? end : next->first);
  }
}

// One past the highest number that was given to a frame, as far as is known.
uint64_t end_of(const SequenceCoverage& sequence) {
  uint64_t end = 1;
  for (const auto& [first, run] : sequence.runs) end = std::max(end, run.seq_last + 1);
  for (const IntervalSet* seqs : {&sequence.merged, &sequence.replaced, &sequence.recorded_lost})
    for (const Span& span : seqs->intervals()) end = std::max(end, span.end);
  if (!sequence.starts.empty()) end = std::max(end, sequence.starts.rbegin()->first);
  return end;
}

// The range asked for in samples of an axis; everything when the axis is not known.
Span asked_samples(const DeviceCoverage& device, const TimeRange& range, uint64_t life) {
  const AxisCoverage* axis = device.find_axis(life);
  if (axis == nullptr) return {0, UINT64_MAX};
  return {sample_at(*axis, range.from_ns, 0), sample_at(*axis, range.to_ns, UINT64_MAX)};
}

// Where the samples are of the frames that follow a hole in a sequence, or stood there; null if nothing tells.
const FrameRun* run_after(const SequenceCoverage& sequence, const Span& hole) {
  const auto run = sequence.runs.lower_bound(hole.end);
  const auto replaced = sequence.replaced_runs.lower_bound(hole.end);
  if (replaced == sequence.replaced_runs.end()) return run == sequence.runs.end() ? nullptr : &run->second;
  return run != sequence.runs.end() && run->first < replaced->first ? &run->second : &replaced->second;
}

// Of those that precede it.
const FrameRun* run_before(const SequenceCoverage& sequence, const Span& hole) {
  const FrameRun* before = nullptr;
  for (const auto* runs : {&sequence.runs, &sequence.replaced_runs}) {
    const auto after = runs->lower_bound(hole.first);
    if (after == runs->begin()) continue;
    const FrameRun& run = std::prev(after)->second;
    if (run.seq_last < hole.first && (before == nullptr || run.seq_last > before->seq_last)) before = &run;
  }
  return before;
}

// False: the frames beside the hole show that it lies outside of the range.
bool may_matter(const DeviceCoverage& device, const SequenceCoverage& sequence, const TimeRange& range, const Span& hole) {
  const FrameRun* after = run_after(sequence, hole);
  if (range.from_ns && after != nullptr && after->sample_first <= asked_samples(device, range, after->life).first) return false;
  const FrameRun* before = run_before(sequence, hole);
  return !range.to_ns || before == nullptr || before->sample_end < asked_samples(device, range, before->life).end;
}

void judge_sequence(const DeviceCoverage& device, const std::pair<uint64_t, Lane>& id, const SequenceCoverage& sequence,
                    const TimeRange& range, Verdict& verdict) {
  IntervalSet explained = sequence.recorded_lost;
  for (const IntervalSet* seqs : {&sequence.merged, &sequence.replaced})
    for (const Span& span : seqs->intervals()) explained.insert(span.first, span.end);
  for (const auto& [first, run] : sequence.runs) explained.insert(first, run.seq_last + 1);
  const uint64_t end = end_of(sequence);
  insert_kept(sequence, end, explained);
  for (const Span& hole : explained.missing(1, end))
    if (may_matter(device, sequence, range, hole))
      verdict.missing_frames.push_back({id.first, id.second, {hole.first, hole.end - 1}});
}

// What the device's last start before this axis said: an axis that follows a restarted counter has no start of its own.
const Run* last_run(const AxisCoverage& axis, const Run* before) {
  return axis.runs.empty() ? before : &axis.runs.rbegin()->second;
}

}  // namespace

Verdict judge(const DeviceCoverage& device, const TimeRange& range) {
  Verdict verdict;
  verdict.damaged_frames = device.damaged_frames;
  std::vector<const AxisCoverage*> axes;
  for (const AxisCoverage& axis : device.axes)
    if (axis.first <= axis.end) axes.push_back(&axis);  // the others were only named, nothing lies on them
  const Run* before = nullptr;
  for (const AxisCoverage* axis : axes) {
    const bool newest = axis == axes.back();
    const Span asked = asked_of(*axis, range, newest);
    if (size_of(asked) > 0) judge_axis(*axis, asked, before, verdict);
    if (!newest && !has_ended(*axis) && asked.end == axis->end) note_silent_end(*axis, verdict);
    before = last_run(*axis, before);
  }
  for (const auto& [id, sequence] : device.sequences) judge_sequence(device, id, sequence, range, verdict);
  return verdict;
}

}  // namespace joulespool::reader
