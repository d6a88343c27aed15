#include "agent/signal/cross_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/base/units.h"

namespace joulespool::signal {
namespace {

constexpr double rounding_units = 2;
constexpr int128 units_max = int128{1} << 96;  // beyond any instrument; keeps products with rates within 128 bits

}  // namespace

void CrossCheck::begin(const wire::TimeAxis& axis) {
  counts_.skipped += waiting_.size();
  axis_ = axis;
  position_ = 0;
  next_mark_.reset();
  length_ = last_length_ = 0;
  gross_ = {};
  marks_.clear();
  waiting_.clear();
  told_at_.reset();
}

// Marks at the span's ends, and on through spans of the usual length, as far as their samples are still to come. One span of
// another length is an exception (sample_ids jumped inside of it), two are the new usual length.
void CrossCheck::foresee(const InstrumentSpan& span) {
  const uint64_t length = span.sample_id_end - span.sample_id_first;
  const uint64_t length_before = std::exchange(last_length_, length);
  const bool foreseen = next_mark_ && length == length_ &&
                        (std::max(*next_mark_, span.sample_id_end) - std::min(*next_mark_, span.sample_id_end)) % length == 0;
  if (foreseen) return;
  if (length_ == 0 || length == length_before) length_ = length;
  marks_.clear();
  gross_ = {};
  if (length == length_ && span.sample_id_first >= position_) next_mark_ = span.sample_id_first;
  else if (span.sample_id_end >= position_) next_mark_ = span.sample_id_end;
  else next_mark_ = span.sample_id_end + (position_ - span.sample_id_end + length_ - 1) / length_ * length_;
}

std::optional<Disagreement> CrossCheck::on_statistics(const InstrumentSpan& span) {
  if (bound_ <= 0) return std::nullopt;
  if (axis_.counter_rate_hz == 0 || span.sample_id_end <= span.sample_id_first) {
    ++counts_.skipped;
    return std::nullopt;
  }
  foresee(span);
  if (span.sample_id_end <= position_) return settle(span);
  if (waiting_.size() < spans_waiting_max) waiting_.push_back(span);
  else ++counts_.skipped;
  return std::nullopt;
}

// Ends that lie in a long hole are not worth a mark: their spans are skipped anyway.
void CrossCheck::skip_hole(uint64_t sample_id) {
  if (*next_mark_ >= sample_id || (sample_id - *next_mark_) / length_ <= marks_max) return;
  marks_.clear();
  *next_mark_ += (sample_id - *next_mark_) / length_ * length_;
}

void CrossCheck::add_gross(const SampleSpan& samples) {
  for (size_t at = 0; at < samples.i.size(); ++at) {
    gross_.i += std::fabs(static_cast<double>(samples.i[at]));
    gross_.p += std::fabs(static_cast<double>(samples.power(at)));
  }
}

std::optional<Disagreement> CrossCheck::on_samples(const SampleSpan& samples, const SampleSums& before) {
  if (bound_ <= 0 || samples.i.empty()) return std::nullopt;
  position_ = samples.sample_id + samples.i.size() * samples.decimation;
  if (!next_mark_) return std::nullopt;
  skip_hole(samples.sample_id);
  SampleSums sums = before;
  size_t done = 0;
  for (; *next_mark_ <= position_; *next_mark_ += length_) {
    const uint64_t ticks = *next_mark_ - std::min(*next_mark_, samples.sample_id);
    const size_t until = (ticks + samples.decimation - 1) / samples.decimation;
    const SampleSpan part = samples.part(done, until - done);
    sums.add(summarise(part));
    add_gross(part);
    if (marks_.size() == marks_max) marks_.pop_front();
    marks_.push_back({*next_mark_, sums, gross_});
    gross_ = {};
    done = until;
  }
  add_gross(samples.part(done, samples.i.size() - done));
  std::optional<Disagreement> told;
  while (!waiting_.empty() && waiting_.front().sample_id_end <= position_) {
    if (auto found = settle(waiting_.front()); found && !told) told = found;
    waiting_.pop_front();
  }
  return told;
}

std::optional<Disagreement> CrossCheck::settle(const InstrumentSpan& span) {
  while (!marks_.empty() && marks_.front().sample_id < span.sample_id_first) marks_.pop_front();
  const bool known =
      marks_.size() >= 2 && marks_[0].sample_id == span.sample_id_first && marks_[1].sample_id == span.sample_id_end;
  const uint64_t samples = (span.sample_id_end - span.sample_id_first) / axis_.decimation;
  if (!known || marks_[1].sums.count - marks_[0].sums.count != samples ||
      marks_[1].sums.valid - marks_[0].sums.valid != samples) {
    ++counts_.skipped;
    return std::nullopt;
  }
  return compare(span, marks_[0], marks_[1]);
}

Comparison CrossCheck::compare(int128 own_sum, int128 instrument, double gross) const {
  const int128 rate = axis_.counter_rate_hz;
  const int128 own = own_sum * axis_.decimation;  // 2^-31 C or J, times the counter's rate
  const int128 theirs = std::clamp(instrument, -units_max, units_max) * rate;
  const double apart = std::fabs(static_cast<double>(own - theirs)) / axis_.counter_rate_hz;
  const double gross_units = std::max(1.0, gross * units_per_one / axis_.sample_rate_hz());
  const int128 half = own < 0 ? -rate / 2 : rate / 2;
  return {(own + half) / rate, instrument, std::max(0.0, apart - rounding_units) / gross_units};
}

bool CrossCheck::is_quiet(uint64_t sample_id) const {
  return told_at_ && sample_id - *told_at_ < quiet_s * axis_.counter_rate_hz;
}

std::optional<Disagreement> CrossCheck::compare(const InstrumentSpan& span, const Mark& first, const Mark& end) {
  const Disagreement found{span.sample_id_first, span.sample_id_end, compare(end.sums.i - first.sums.i, span.charge, end.gross.i),
                           compare(end.sums.p - first.sums.p, span.energy, end.gross.p)};
  ++counts_.compared;
  counts_.charge_last = found.charge.relative;
  counts_.charge_largest = std::max(counts_.charge_largest, found.charge.relative);
  counts_.energy_last = found.energy.relative;
  counts_.energy_largest = std::max(counts_.energy_largest, found.energy.relative);
  if (std::max(found.charge.relative, found.energy.relative) <= bound_) {
    told_at_.reset();
    return std::nullopt;
  }
  ++counts_.beyond;
  if (is_quiet(span.sample_id_end)) return std::nullopt;
  told_at_ = span.sample_id_end;
  return found;
}

}  // namespace joulespool::signal
