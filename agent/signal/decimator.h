// A waveform at a lower rate: one signal, filtered so that what lies above the new rate does not appear in it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/base/cpu.h"
#include "agent/signal/decimation_stage.h"

namespace joulespool::signal {

// Use: begin, add ... add, finish, begin ... One thread. No allocation after make(), except by `out`.
//
// Quality: decimation_filters.h (aliases at least 86 dB down, 0 to 0.4 of the new rate within 0.015 dB, linear phase). Float32
// arithmetic on differences: a constant comes out as the same constant, exactly (-0 as 0), and rounding adds less than -130 dB of
// the largest sample. The same bits with every instruction set.
//
// Where: with k = sample_id / decimation (rounded down) the number of a sample, outputs stand at the samples whose k is a
// multiple of the factor, and nowhere else: at multiples of factor * decimation ticks, plus sample_id % decimation if that is not
// 0. A run of samples [first, end) has an output for each such place in it, possibly none. The output at t is the filtered signal
// at t: the filters' delay is taken out.
//
// An output that is more than delay() samples away from both ends of its run depends on these samples only: where the run began,
// and how it was cut into calls of add(), changes no bit. (Where samples are missing, also on the last valid one before.)
// Nearer to an end, the first and last valid sample of the run stand for those outside of it.
//
// Missing samples (NaN, and all else that wire::to_units() refuses: infinities, |x| >= 2^31) count as the last valid one before
// them. An output stands for the `factor` samples around it, [k - factor / 2, k - factor / 2 + factor); it is NaN if less than
// half of these are present in the run and valid. delay() + factor missing in a row, or more, are like the end of one run and the
// beginning of another: neither side hears of the other.
class Decimator {
 public:
  // Errors: usage, unless the factor is 2^a * 5^b, 2 to decimation_factor_max.
  static Result<Decimator> make(uint32_t factor, InstructionSet set = best_instruction_set());

  // A run begins (0, 1 if not called): its next sample is `sample_id`, further ones follow every `decimation` ticks (> 0). What
  // an earlier run has not given until now is dropped.
  void begin(uint64_t sample_id, uint32_t decimation);
  // The next samples of the run. Appends the outputs they complete.
  void add(std::span<const float> samples, std::vector<float>& out);
  // The run ends here: appends its other outputs. Then begin() must come.
  void finish(std::vector<float>& out);

  // The sample_id of the next output, whether or not the run will reach it. Outputs follow each other every factor * decimation
  // ticks.
  [[nodiscard]] uint64_t next_sample_id() const;
  // The output at a sample has been given at the latest when so many further samples have come; it looks at no more than that
  // many on either side.
  [[nodiscard]] uint32_t delay() const { return delay_; }
  [[nodiscard]] uint32_t factor() const { return factor_; }

 private:
  Decimator(uint32_t factor, std::span<const DecimationFilter* const> filters, const DecimationKernels& kernels);
  void add_some(std::span<const float> samples, std::vector<float>& out);
  size_t add_missing(std::span<const float> samples, std::vector<float>& out);
  void prime(float first_valid, std::vector<float>& out);
  [[nodiscard]] std::span<const float> held(size_t count);
  void push(std::span<const float> samples, size_t first_stage, std::vector<float>& out);
  void give(std::span<const float> outputs, std::vector<float>& out);
  void give_missing(int64_t end, std::vector<float>& out);
  void note_missing(int64_t first, int64_t end);
  [[nodiscard]] int64_t first_of(int64_t output) const { return output * factor_ - factor_ / 2; }
  [[nodiscard]] int64_t output_from(int64_t position) const;

  // Positions count samples from the last place of an output at or before the run's first sample.
  uint32_t factor_;
  uint32_t delay_ = 0;
  const DecimationKernels* kernels_;
  std::vector<DecimationStage> stages_;
  std::vector<float> held_;  // room for the last valid sample, repeated
  uint64_t origin_id_ = 0;   // sample_id of position 0
  uint32_t decimation_ = 1;
  int64_t position_ = 0;     // of the next sample
  int64_t next_output_ = 0;  // number of the next output; it stands at position next_output_ * factor_
  int64_t output_end_ = 0;   // of the run, once it is known
  bool primed_ = false;      // the stages hold samples; else none was valid since the beginning or for a long time
  float last_valid_ = 0;
  uint64_t missing_in_row_ = 0;
  // How many of the samples of one output are missing, and outputs to come that lack too many.
  int64_t counted_output_ = 0;
  uint64_t counted_missing_ = 0;
  std::vector<int64_t> lacking_;
};

}  // namespace joulespool::signal
