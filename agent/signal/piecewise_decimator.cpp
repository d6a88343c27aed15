#include "agent/signal/piecewise_decimator.h"

#include <algorithm>
#include <cassert>

#include "agent/wire/window.h"

namespace joulespool::signal {

Result<PiecewiseDecimator> PiecewiseDecimator::make(uint32_t factor, InstructionSet set) {
  auto decimator = Decimator::make(factor, set);
  if (!decimator) return decimator.error();
  return PiecewiseDecimator(std::move(*decimator));
}

// Where a decimator must begin so that the outputs from `first` on are those of one that began with the run. What is missing
// counts as the last valid sample before it, so that is looked for, as far back as it counts.
size_t PiecewiseDecimator::begin_for(const GrowingRun& run, size_t first) const {
  const size_t seen = first - std::min(first, samples_after());
  const size_t limit = first - std::min(first, samples_before());
  for (size_t at = seen + 1; at-- > limit;)
    if (at < run.samples.size() && wire::to_units(run.samples[at]).ok) return at;
  return seen;
}

void PiecewiseDecimator::begin(const GrowingRun& run, size_t first) {
  begun_ = true;
  finished_ = false;
  run_ = run.id;
  next_in_ = run.sample_id + begin_for(run, first) * run.decimation;
  decimator_.begin(next_in_, run.decimation);
  first_out_ = decimator_.next_sample_id();
  ticks_per_out_ = uint64_t{decimator_.factor()} * run.decimation;
  outputs_.clear();
}

void PiecewiseDecimator::forget_before(uint64_t sample_id) {
  if (sample_id <= first_out_) return;
  const uint64_t count = std::min<uint64_t>(outputs_.size(), (sample_id - first_out_ + ticks_per_out_ - 1) / ticks_per_out_);
  outputs_.erase(outputs_.begin(), outputs_.begin() + static_cast<std::ptrdiff_t>(count));
  first_out_ += count * ticks_per_out_;
}

std::span<const float> PiecewiseDecimator::outputs(const GrowingRun& run, size_t first, size_t count) {
  const uint64_t first_id = run.sample_id + first * run.decimation;
  const uint64_t end_id = first_id + count * run.decimation;
  const bool goes_on =
      begun_ && run_ == run.id &&
      (finished_ || (next_in_ >= run.sample_id && next_in_ >= run.sample_id + begin_for(run, first) * run.decimation));
  if (!goes_on) begin(run, first);
  const size_t known = std::min(run.samples.size(), first + count + samples_after());
  assert(run.ended || known == first + count + samples_after());
  const auto next = static_cast<size_t>((next_in_ - run.sample_id) / run.decimation);
  if (!finished_ && next < known) {
    decimator_.add(run.samples.subspan(next, known - next), outputs_);
    next_in_ = run.sample_id + known * run.decimation;
  }
  if (!finished_ && run.ended && known == run.samples.size()) {
    decimator_.finish(outputs_);
    finished_ = true;
  }
  forget_before(first_id);
  const uint64_t wanted = end_id <= first_out_ ? 0 : (end_id - first_out_ - 1) / ticks_per_out_ + 1;
  return std::span(outputs_).first(std::min<size_t>(outputs_.size(), wanted));
}

}  // namespace joulespool::signal
