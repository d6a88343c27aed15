// Windows and samples of one device over a range of time or samples.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/samples.h"
#include "agent/wire/window.h"
#include "cloud-bridge/reader/frame_collector.h"

namespace joulespool::reader {

// What is wanted; all conditions must hold. Ranges are half open; a window counts by its first sample.
struct SeriesRange {
  std::string device = {};
  std::optional<int64_t> from_ns = {}, to_ns = {};           // UTC, by the map of each frame
  std::optional<uint64_t> sample_from = {}, sample_to = {};  // sample_id
  std::vector<wire::Label> labels = {};                      // each is in force
};

// Consecutive samples of one frame: all, or those of a lower rate. Everything points into the series and the frame: valid until
// the next call.
struct SampleSlice {
  const wire::FrameHeader& header;
  uint64_t sample_id;   // of element 0; element k has sample_id + k * decimation
  uint32_t decimation;  // ticks
  std::span<const float> i;
  std::span<const float> v;
  std::span<const float> p;
};

struct WindowSlice {
  const wire::FrameHeader& header;
  std::span<const wire::Window> windows;
};

// One thread at a time.
class DeviceSeries {
 public:
  explicit DeviceSeries(SeriesRange range) : range_(std::move(range)) {}
  // Cheap: by the header alone. False also for frames whose time is not known when a time is asked for.
  [[nodiscard]] bool wants(const wire::FrameHeader& header) const;
  // What of a frame of lane wave (stat) is within the range; perhaps nothing. Errors: damaged, usage (unknown codec).
  Result<SampleSlice> samples(const CollectedFrame& frame);
  Result<WindowSlice> windows(const CollectedFrame& frame);

 private:
  [[nodiscard]] bool is_before(const wire::FrameHeader& header, uint64_t sample_id) const;
  [[nodiscard]] bool is_past(const wire::FrameHeader& header, uint64_t sample_id) const;

  const SeriesRange range_;
  codec::DecodedSamples samples_;
  std::vector<wire::Window> windows_;
};

}  // namespace joulespool::reader
