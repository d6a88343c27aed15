// A waveform at a lower rate, piece by piece.
#pragma once

#include "agent/signal/decimator.h"

namespace joulespool::signal {

// Consecutive samples, as far as they are known: the end of a run that may go on.
struct GrowingRun {
  uint64_t id = 0;  // of the run, whatever part of it this is
  uint64_t sample_id = 0;
  uint32_t decimation = 1;
  std::span<const float> samples;  // the first has sample_id
  bool ended = false;              // nothing follows
};

// The outputs of pieces of a run, as one Decimator over the whole run gives them, bit for bit: where pieces begin and end, and
// which of them are asked for, changes nothing. Pieces that follow each other cost no sample twice. One thread.
class PiecewiseDecimator {
 public:
  // Errors: as Decimator::make().
  static Result<PiecewiseDecimator> make(uint32_t factor, InstructionSet set = best_instruction_set());

  // So many samples of the run must be there before a piece, or all that it has; and after it, unless the run has ended.
  [[nodiscard]] size_t samples_before() const { return samples_after() + decimator_.delay() + decimator_.factor(); }
  [[nodiscard]] size_t samples_after() const { return size_t{decimator_.delay()} + 1; }

  // The outputs at samples [first, first + count) of `run`; valid until the next call. A piece does not begin before the last one
  // of its run did.
  std::span<const float> outputs(const GrowingRun& run, size_t first, size_t count);

 private:
  explicit PiecewiseDecimator(Decimator decimator) : decimator_(std::move(decimator)) {}
  void begin(const GrowingRun& run, size_t first);
  [[nodiscard]] size_t begin_for(const GrowingRun& run, size_t first) const;
  void forget_before(uint64_t sample_id);

  Decimator decimator_;
  bool begun_ = false, finished_ = false;
  uint64_t run_ = 0;
  uint64_t next_in_ = 0;    // sample_id of the next sample to add
  uint64_t first_out_ = 0;  // sample_id of outputs_[0]
  uint64_t ticks_per_out_ = 1;
  std::vector<float> outputs_;  // from the last piece on
};

}  // namespace joulespool::signal
