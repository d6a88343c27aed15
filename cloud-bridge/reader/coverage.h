// What a stream says about each device: which samples came, which are recorded as lost, which frames were made.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/int128.h"
#include "agent/base/interval_set.h"
#include "agent/wire/event.h"
#include "agent/wire/window.h"
#include "cloud-bridge/reader/frame_collector.h"

namespace joulespool::reader {

// Half-open range of sample_id, in ticks.
using Span = IntervalSet::Interval;

// A window of lane stat with fewer samples than fit between its first and its last: a gap lies inside.
struct PartialWindow {
  Span span{};
  uint64_t missing_ticks = 0;
};

// One lane of one axis.
struct LaneCoverage {
  IntervalSet delivered;               // spans of runs of samples (wave) or of windows (stat)
  IntervalSet whole;                   // the same without windows that have a gap inside
  std::vector<PartialWindow> partial;  // those windows
  IntervalSet lost;                    // recorded as lost for this lane only
  std::vector<Span> twice;             // delivered again by another frame (not a second copy of the same frame)
};

// A start of the agent, or the device's return to it.
struct Run {
  uint64_t epoch = 0;
  std::vector<wire::LaneStart> lanes;
};

struct AxisCoverage {
  uint64_t life = 0;
  uint32_t counter_rate_hz = 0;
  uint32_t decimation = 1;            // of the newest frame
  std::array<LaneCoverage, 4> lanes;  // by number of the lane
  IntervalSet gaps;                   // recorded as lost for all lanes
  std::optional<uint64_t> open_ended_from;
  std::optional<uint64_t> stopped_at;     // the highest sample_id_end of Stopped
  std::map<uint64_t, Run> runs;           // by Started.sample_id
  std::map<uint64_t, wire::UtcMap> maps;  // by the first sample_id of the frame that brought it, where it changed
  uint64_t first = UINT64_MAX;            // lowest and
  uint64_t end = 0;                       // highest sample heard of, in any lane or record

  [[nodiscard]] const LaneCoverage& lane(wire::Lane lane) const { return lanes[static_cast<size_t>(lane)]; }
  void heard_of(uint64_t sample_id_first, uint64_t sample_id_end);
  // The map in force at that sample or time; null if the axis has none that says UTC.
  [[nodiscard]] const wire::UtcMap* map_at_sample(uint64_t sample_id) const;
  [[nodiscard]] const wire::UtcMap* map_at_time(int64_t utc_ns) const;
};

// Neighbouring frames of a sequence that follow each other on one axis.
struct FrameRun {
  uint64_t seq_last = 0;
  uint64_t life = 0;
  uint64_t sample_first = 0;
  uint64_t sample_end = 0;
};

struct SequenceCoverage {
  std::map<uint64_t, FrameRun>
      runs;              // by first seq, without frames that stand for others: their samples are older than their seq
  IntervalSet merged;    // seqs of those
  IntervalSet replaced;  // seqs named by FrameHeader::replaces, of frames that came or not
  std::map<uint64_t, FrameRun>
      replaced_runs;                // by first seq: where the samples are for which one frame stands, first to last seq
  IntervalSet recorded_lost;        // seqs named by Gap.frames and Gap.replaced
  std::map<uint64_t, bool> starts;  // Started: next_seq -> uploaded
};

struct LaneTotals {
  uint64_t frames = 0;
  uint64_t bytes = 0;
  uint64_t samples = 0;
  uint64_t valid = 0;
  int128 i_sum = 0;  // 2^-31 A per sample
  int128 p_sum = 0;  // 2^-31 W per sample
};

struct GapTotals {
  uint64_t records = 0;
  uint64_t samples = 0;                    // that no lane has
  std::array<uint64_t, 4> lane_samples{};  // that one lane has not, by number of the lane
};

struct DeviceCoverage {
  wire::DeviceIdentity device;
  std::vector<AxisCoverage> axes;                                         // in the order in which they were heard of
  std::map<std::pair<uint64_t, wire::Lane>, SequenceCoverage> sequences;  // by epoch and lane
  std::array<LaneTotals, 4> totals{};                                     // by number of the lane
  std::map<wire::GapReason, GapTotals> gaps;
  std::vector<wire::Gap> gap_records;  // at most gap_records_max of them
  std::vector<std::string> damaged;    // frames whose payload cannot be read or contradicts their header, at most damaged_max
  uint64_t damaged_frames = 0;
  uint64_t replaced_frames = 0;  // came although another frame that came stands for them: nothing of them is in here

  [[nodiscard]] const LaneTotals& total(wire::Lane lane) const { return totals[static_cast<size_t>(lane)]; }
  AxisCoverage& axis(uint64_t life);
  [[nodiscard]] const AxisCoverage* find_axis(uint64_t life) const;
};

constexpr size_t gap_records_max = 10'000;
constexpr size_t damaged_max = 100;

// One frame of lane stat, until it is known whether another one stands for it.
struct StatFrame {
  uint64_t epoch = 0, seq = 0, life = 0;
  Span span{};
  wire::UtcMap utc;
  LaneTotals totals;                   // of this frame
  std::vector<Span> whole;             // its windows, joined where they follow each other, without those
  std::vector<PartialWindow> partial;  // that have a gap inside
  std::vector<std::string> damage;
  std::vector<wire::ReplacedFrames> replaces;
};

// One thread at a time. Memory grows with the number of frames of lane stat (some 300 bytes each; any of them may be replaced by
// one that comes later), of gaps, starts and changes of the UTC map.
class CoverageMap {
 public:
  // Each frame once (FrameCollector's work), in any order.
  void add(const CollectedFrame& frame);
  // What all frames so far say together. Valid until the next call.
  const std::map<std::string, DeviceCoverage>& devices();

 private:
  struct Device {
    DeviceCoverage recorded;  // all but lane stat
    std::deque<StatFrame> stat;
    bool settled = false;
  };
  std::map<std::string, Device> added_;
  std::map<std::string, DeviceCoverage> devices_;
};

}  // namespace joulespool::reader
