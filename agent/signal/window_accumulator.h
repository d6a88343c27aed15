// Samples into windows of fixed length.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/base/cpu.h"
#include "agent/wire/window.h"

namespace joulespool::signal {

// Consecutive samples of one device. i (A), v (V): equally long; sample k has sample_id + k * decimation. p (W): as long, or
// empty where the power of a sample is the float32 product i * v.
struct SampleSpan {
  uint64_t sample_id = 0;
  uint32_t decimation = 1;
  std::span<const float> i, v, p;
  // Of sample `at`, in W. Which NaN it is depends on the processor where it is a product.
  [[nodiscard]] float power(size_t at) const { return p.empty() ? i[at] * v[at] : p[at]; }
  [[nodiscard]] SampleSpan part(size_t first, size_t count) const {
    return {sample_id + first * decimation, decimation, i.subspan(first, count), v.subspan(first, count),
            p.empty() ? p : p.subspan(first, count)};
  }
};

// One window over all samples of the span. The same bits with every instruction set. Of equal extremes the first stays, which
// decides whether a 0 is +0.0 or -0.0.
wire::Window summarise(const SampleSpan& samples, InstructionSet set = best_instruction_set());

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
  explicit WindowAccumulator(uint64_t window_ticks, InstructionSet set = best_instruction_set())
      : window_ticks_(window_ticks), set_(set) {}
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
  InstructionSet set_;
  wire::Window window_;
  SampleSums sums_;
};

}  // namespace joulespool::signal
