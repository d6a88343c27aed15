// Samples into windows of fixed length.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/wire/window.h"

namespace joulespool::signal {

// Consecutive samples of one device. i (A), v (V), p (W): equally long; sample k has sample_id + k * decimation.
struct SampleSpan {
  uint64_t sample_id = 0;
  uint32_t decimation = 1;
  std::span<const float> i, v, p;
  [[nodiscard]] SampleSpan part(size_t first, size_t count) const {
    return {sample_id + first * decimation, decimation, i.subspan(first, count), v.subspan(first, count),
            p.subspan(first, count)};
  }
};

// One window over all samples of the span.
wire::Window summarise(const SampleSpan& samples);

// What all samples so far add up to.
struct SampleSums {
  uint64_t count = 0;  // samples, valid or not
  uint64_t valid = 0;
  int128 i = 0;  // over the valid ones, 2^-31 A
  int128 p = 0;  // 2^-31 W
  void add(const wire::Window& window);
  bool operator==(const SampleSums&) const = default;
};

// Windows begin at multiples of window_ticks of sample_id, whatever the blocks: the same samples give the same windows however
// they were chopped. A gap inside a window makes its count smaller; a gap over whole windows makes no windows.
class WindowAccumulator {
 public:
  explicit WindowAccumulator(uint64_t window_ticks) : window_ticks_(window_ticks) {}
  // sample_ids must go up from call to call. Appends the windows that became complete to `out`.
  void add(SampleSpan samples, std::vector<wire::Window>& out);
  // Ends the open window, if it has samples.
  void flush(std::vector<wire::Window>& out);
  [[nodiscard]] bool open() const { return window_.count > 0; }
  // The first sample of the open window.
  [[nodiscard]] uint64_t open_first() const { return window_.sample_id_first; }
  [[nodiscard]] uint64_t window_ticks() const { return window_ticks_; }
  // Of all samples since the beginning.
  [[nodiscard]] const SampleSums& sums() const { return sums_; }

 private:
  [[nodiscard]] uint64_t window_end(uint64_t sample_id) const { return (sample_id / window_ticks_ + 1) * window_ticks_; }

  uint64_t window_ticks_;
  wire::Window window_;
  SampleSums sums_;
};

}  // namespace joulespool::signal
