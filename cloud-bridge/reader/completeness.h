// Is a device complete? The rules are in agent/wire/FORMAT.md, Completeness.
#pragma once

#include <string>
#include <vector>

#include "cloud-bridge/reader/coverage.h"

namespace joulespool::reader {

// What is asked: UTC, half open. Unset: from the first, to the last thing heard of the device.
struct TimeRange {
  std::optional<int64_t> from_ns = {};
  std::optional<int64_t> to_ns = {};
};

// Samples that one lane should have and that no record explains.
struct MissingSamples {
  uint64_t axis = 0;
  wire::Lane lane = wire::Lane::stat;
  Span span{};
  uint64_t samples = 0;
  int64_t utc_first_ns = 0;  // 0: the axis has no UTC
  int64_t utc_end_ns = 0;
  std::string why;
};

struct MissingFrames {
  uint64_t epoch = 0;
  wire::Lane lane = wire::Lane::event;
  wire::SeqRange seqs;
};

// Samples that came twice in different frames, or came although a record says that no lane has them.
struct Contradiction {
  uint64_t axis = 0;
  wire::Lane lane = wire::Lane::stat;
  Span span{};
  std::string what;
};

// One axis as far as it lies within the range asked for.
struct AxisVerdict {
  uint64_t axis = 0;
  Span asked{};                   // ticks that must be accounted for
  uint64_t gap_ticks = 0;         // of these, recorded as lost for all lanes
  bool ended = false;             // stopped, or the counter restarted: nothing more is to come
  std::vector<wire::Lane> lanes;  // that were uploaded, so that they were judged
};

struct Verdict {
  std::vector<AxisVerdict> axes;
  std::vector<MissingSamples> missing_samples;
  std::vector<MissingFrames> missing_frames;
  std::vector<Contradiction> contradictions;
  uint64_t damaged_frames = 0;

  [[nodiscard]] bool complete() const {
    return !axes.empty() && missing_samples.empty() && missing_frames.empty() && contradictions.empty() && damaged_frames == 0;
  }
};

Verdict judge(const DeviceCoverage& device, const TimeRange& range);

}  // namespace joulespool::reader
