// One filter of a decimation, fed piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/signal/decimation_filters.h"
#include "agent/signal/decimation_kernels.h"

namespace joulespool::signal {

// Positions are numbers of samples, at the input or the output rate: output n is centred at input n * factor. No allocation after
// construction.
class DecimationStage {
 public:
  DecimationStage(const DecimationFilter& filter, const DecimationKernels& kernels, size_t input_max);

  // The next output to be made is `output`, the next input is `input`, and all inputs before that count as `held`. `input` must
  // be at least input_wanted(output).
  void begin(int64_t output, int64_t input, float held);
  [[nodiscard]] int64_t input_wanted(int64_t output) const { return (output - static_cast<int64_t>(behind_)) * factor(); }
  // The first output that differs from `held` if the inputs before `input` do not.
  [[nodiscard]] int64_t first_output(int64_t input) const;

  // The next inputs, at most input_max; gives the outputs they complete, valid until the next call.
  std::span<const float> push(std::span<const float> input);

  [[nodiscard]] uint32_t factor() const { return factor_; }
  [[nodiscard]] size_t input_max() const { return input_max_; }
  // Output n is there once input n * factor + lag is.
  [[nodiscard]] uint32_t lag() const { return factor_ * (ahead_ + 1) - 1; }
  // So many inputs equal to the last one bring out everything that differs from it.
  [[nodiscard]] size_t tail() const { return 2 * (reach_ + factor_); }
  [[nodiscard]] size_t output_max() const { return output_.size(); }

 private:
  void make_room(size_t groups);
  void split(const float* input, size_t groups);
  [[nodiscard]] float* row(size_t which) { return rows_.data() + which * capacity_; }
  // Input n * factor + distance minus the one before it, from where that of output n with distance 0 is.
  [[nodiscard]] int32_t rise_at(int distance) const;

  const DecimationKernels* kernels_;
  uint32_t factor_;
  uint32_t reach_;   // inputs that an output looks at on each side
  uint32_t behind_;  // groups of `factor` inputs that must be kept before an output's own,
  uint32_t ahead_;   // and those that must follow it
  size_t input_max_;
  size_t capacity_;          // groups
  std::vector<float> rows_;  // row 0: centres, then rows of differences; one column is one group
  std::vector<DecimationTap> taps_;
  std::vector<float> output_;
  size_t filled_ = 0;      // groups in the rows
  size_t next_ = 0;        // column of the next output
  float pending_[5] = {};  // of a group that is not complete
  size_t pending_count_ = 0;
  float before_ = 0;  // the last input of the last whole group
};

}  // namespace joulespool::signal
