// Our integrals against those of the instrument.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "agent/signal/window_accumulator.h"
#include "agent/wire/types.h"

namespace joulespool::signal {

// What the instrument measured over its samples with ids in [sample_id_first, sample_id_end).
struct InstrumentSpan {
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  int128 charge = 0;  // 2^-31 C
  int128 energy = 0;  // 2^-31 J
};

// Two integrals of the same samples, in 2^-31 C or J, and how far apart they are.
struct Comparison {
  int128 own = 0;         // rounded
  int128 instrument = 0;  // as told
  // What is left of the difference after 2 units, as a part of the sum of absolute values: 0.001 is 1000 ppm.
  double relative = 0;
};

struct Disagreement {
  uint64_t sample_id_first = 0;
  uint64_t sample_id_end = 0;
  Comparison charge, energy;
};

struct CrossCheckCounts {
  uint64_t compared = 0;                       // spans
  uint64_t skipped = 0;                        // spans with missing samples or NaN, and those whose beginning was not foreseen
  uint64_t beyond = 0;                         // of those compared, beyond the bound
  double charge_last = 0, charge_largest = 0;  // Comparison::relative
  double energy_last = 0, energy_largest = 0;
};

// Compares exact sums of the very samples the instrument added up. Its spans follow each other, so that where the next one ends
// is known beforehand: there the sums so far are noted, and only the part of a block before such a place is added up again.
//
// A span is beyond the bound when the difference of its charge or energy is more than 2 units and bound_ppm of the sum of
// ABSOLUTE values. Both sides round (the instrument cuts off at one unit, so do we), hence the 2 units. The absolute values:
// where charge flows both ways the integral is close to 0, and the last bit of each sample or one sample more at the edge would
// be a large part of it, though nothing is wrong; the sum of absolute values never shrinks like that, and is the integral itself
// where the current has one sign.
//
// One thread. Spans may come before or after the samples at their end.
class CrossCheck {
 public:
  // While the spans stay beyond the bound, they are told once in this time of the instrument.
  static constexpr uint64_t quiet_s = 60;
  static constexpr size_t spans_waiting_max = 64;  // for their samples; further ones are skipped
  static constexpr size_t marks_max = 256;         // ends that were foreseen and whose span has not come

  // bound_ppm 0: nothing is compared.
  explicit CrossCheck(double bound_ppm) : bound_(bound_ppm * 1e-6) {}

  // A new axis: what was known of the old one is of no use.
  void begin(const wire::TimeAxis& axis);
  // Samples of this axis in ascending order, and the sums of all samples of the axis before them. What is told is a span beyond
  // the bound.
  std::optional<Disagreement> on_samples(const SampleSpan& samples, const SampleSums& before);
  std::optional<Disagreement> on_statistics(const InstrumentSpan& span);

  [[nodiscard]] const CrossCheckCounts& counts() const { return counts_; }

 private:
  struct Gross {
    double i = 0, p = 0;  // sums of absolute values, A and W
  };
  // All samples before sample_id.
  struct Mark {
    uint64_t sample_id = 0;
    SampleSums sums;
    Gross gross;  // since the mark before
  };
  void foresee(const InstrumentSpan& span);
  void skip_hole(uint64_t sample_id);
  void add_gross(const SampleSpan& samples);
  std::optional<Disagreement> settle(const InstrumentSpan& span);
  std::optional<Disagreement> compare(const InstrumentSpan& span, const Mark& first, const Mark& end);
  [[nodiscard]] Comparison compare(int128 own_sum, int128 instrument, double gross) const;
  [[nodiscard]] bool is_quiet(uint64_t sample_id) const;

  double bound_;
  wire::TimeAxis axis_;
  uint64_t position_ = 0;              // samples before it were handed over
  std::optional<uint64_t> next_mark_;  // sample_id of the next mark; then every length_ ticks
  uint64_t length_ = 0;                // usual length of a span
  uint64_t last_length_ = 0;           // that of the last one
  Gross gross_;                        // since the last mark
  std::deque<Mark> marks_;
  std::deque<InstrumentSpan> waiting_;
  std::optional<uint64_t> told_at_;  // where the last disagreement was told; none: all is well
  CrossCheckCounts counts_;
};

}  // namespace joulespool::signal
