// What frames hold within a range, as rows: windows or samples. Pure.
#pragma once

#include <span>
#include <vector>

#include "agent/cli/time_flags.h"
#include "agent/codec/samples.h"
#include "agent/wire/frame.h"
#include "agent/wire/window.h"

namespace joulespool::cli {

// References and spans hold until the reader's next call.
struct WindowRows {
  const wire::FrameHeader& header;
  std::span<const wire::Window> windows;
};

// Row k is the sample at sample_id_first + k * step; of a lower rate if step is not the axis' decimation.
struct SampleRows {
  const wire::FrameHeader& header;
  uint64_t sample_id_first = 0;
  uint32_t step = 1;  // ticks
  std::span<const float> i, v, p;

  [[nodiscard]] uint64_t sample_id(size_t row) const { return sample_id_first + row * step; }
  [[nodiscard]] double rate_hz() const { return static_cast<double>(header.axis.counter_rate_hz) / step; }
};

// Exact counts and sums, in the units of wire::Window.
struct Sums {
  uint64_t samples = 0, valid = 0;
  int128 i_sum = 0, p_sum = 0;
  void add(const wire::Window& window);
  void add(const Sums& other);
  bool operator==(const Sums&) const = default;
};
Sums sums_of(const wire::FrameHeader& header);

// A window belongs to a range if it begins in it. Keeps its memory from frame to frame; one thread. Errors: as the codec's.
class RowReader {
 public:
  // Of lane stat, or those that a frame of lane wave has where it does not keep all samples (none otherwise).
  Result<WindowRows> windows(const wire::Frame& frame, const TimeRange::Samples& range);
  // Of lane wave. No rows where the frame has windows only.
  Result<SampleRows> samples(const wire::Frame& frame, const TimeRange::Samples& range);
  // Over what the last call returned: of the samples themselves, or at a lower rate of the windows that come with them.
  [[nodiscard]] const Sums& sums() const { return sums_; }

 private:
  Status decode(const wire::Frame& frame);
  Status decode_windows(const wire::Frame& frame, wire::ByteView payload, const TimeRange::Samples& range);

  codec::SampleDecoder decoder_;
  codec::DecodedSamples samples_;
  std::vector<wire::Window> windows_;
  Sums sums_;
};

}  // namespace joulespool::cli
