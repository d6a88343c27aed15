#include "agent/signal/decimator.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>

namespace joulespool::signal {
namespace {

// So that what a stage works on stays in the first-level cache.
constexpr size_t chunk_samples = 1024;
// Later stages get less, but must take a filter's tail.
constexpr size_t stage_input_min = 256;
constexpr size_t stages_max = 20;  // 2^20 is the longest
constexpr float missing = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t no_end = std::numeric_limits<int64_t>::max();

bool is_valid(float x) { return x < 2147483648.0F && x > -2147483648.0F; }

int64_t ceil_divided(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

}  // namespace

Result<Decimator> Decimator::make(uint32_t factor, InstructionSet set) {
  auto filters = decimation_stages(factor);
  if (!filters) return filters.error();
  return Decimator(factor, *filters, decimation_kernels(set));
}

Decimator::Decimator(uint32_t factor, std::span<const DecimationFilter* const> filters, const DecimationKernels& kernels)
    : factor_(factor), kernels_(&kernels), held_(chunk_samples) {
  size_t input_max = chunk_samples;
  uint32_t ratio = 1;  // samples per input of the stage
  for (const DecimationFilter* filter : filters) {
    stages_.emplace_back(*filter, kernels, input_max);
    assert(stages_.back().tail() <= input_max);
    delay_ += stages_.back().lag() * ratio;
    ratio *= filter->factor;
    input_max = std::max(stage_input_min, stages_.back().output_max());
  }
  // Outputs of a chunk, and those that the filters still hold.
  lacking_.reserve(chunk_samples + delay_ / factor + 8);
  begin(0, 1);
}

void Decimator::begin(uint64_t sample_id, uint32_t decimation) {
  decimation_ = decimation;
  const uint64_t number = sample_id / decimation;
  position_ = static_cast<int64_t>(number % factor_);
  origin_id_ = sample_id - static_cast<uint64_t>(position_) * decimation;
  next_output_ = position_ == 0 ? 0 : 1;
  output_end_ = no_end;
  primed_ = false;
  missing_in_row_ = 0;
  counted_missing_ = 0;
  lacking_.clear();
  note_missing(first_of(next_output_), position_);
}

uint64_t Decimator::next_sample_id() const { return origin_id_ + static_cast<uint64_t>(next_output_) * factor_ * decimation_; }

// The first output at or after it.
int64_t Decimator::output_from(int64_t position) const { return ceil_divided(position, factor_); }

void Decimator::add(std::span<const float> samples, std::vector<float>& out) {
  while (!samples.empty()) {
    const auto chunk = samples.first(std::min(samples.size(), chunk_samples));
    add_some(chunk, out);
    samples = samples.subspan(chunk.size());
  }
}

void Decimator::add_some(std::span<const float> samples, std::vector<float>& out) {
  const bool all_valid = kernels_->all_valid(samples.data(), samples.size());
  while (!samples.empty()) {
    const auto end = all_valid ? samples.end() : std::find_if_not(samples.begin(), samples.end(), is_valid);
    const auto valid = samples.first(static_cast<size_t>(end - samples.begin()));
    if (!valid.empty()) {
      if (!primed_) prime(valid.front(), out);
      missing_in_row_ = 0;
      last_valid_ = valid.back();
      position_ += static_cast<int64_t>(valid.size());
      push(valid, 0, out);
      samples = samples.subspan(valid.size());
    }
    samples = samples.subspan(add_missing(samples, out));
  }
}

// The missing samples at the beginning of these; gives how many.
size_t Decimator::add_missing(std::span<const float> samples, std::vector<float>& out) {
  const auto count = static_cast<size_t>(std::find_if(samples.begin(), samples.end(), is_valid) - samples.begin());
  if (count == 0) return 0;
  note_missing(position_, position_ + static_cast<int64_t>(count));
  position_ += static_cast<int64_t>(count);
  if (primed_) {
    // Then all outputs that can hear of the last valid sample and stand for valid ones have been given.
    const uint64_t enough = uint64_t{delay_} + factor_;
    const auto hold = static_cast<size_t>(std::min<uint64_t>(count, enough - missing_in_row_));
    push(held(hold), 0, out);
    missing_in_row_ += hold;
    primed_ = missing_in_row_ < enough;
  }
  if (!primed_) give_missing((position_ + factor_ / 2) / factor_, out);
  return count;
}

// Stages as if all samples before the next one were equal to it. Outputs before that have nothing to stand for.
void Decimator::prime(float first_valid, std::vector<float>& out) {
  give_missing(output_from(position_), out);
  std::array<int64_t, stages_max> wanted{};  // from which output on
  int64_t output = next_output_;
  for (size_t at = stages_.size(); at-- > 0; output = stages_[at].input_wanted(output)) wanted[at] = output;
  int64_t input = position_;
  for (size_t at = 0; at < stages_.size(); ++at) {
    const int64_t first = std::max(wanted[at], stages_[at].first_output(input));
    stages_[at].begin(first, input, first_valid);
    input = first;
  }
  primed_ = true;
}

std::span<const float> Decimator::held(size_t count) {
  std::fill_n(held_.begin(), count, last_valid_);
  return std::span(held_).first(count);
}

void Decimator::push(std::span<const float> samples, size_t first_stage, std::vector<float>& out) {
  for (size_t at = first_stage; at < stages_.size() && !samples.empty(); ++at) samples = stages_[at].push(samples);
  give(samples, out);
}

void Decimator::finish(std::vector<float>& out) {
  output_end_ = output_from(position_);
  note_missing(position_, first_of(output_end_));
  if (primed_)
    for (size_t at = 0; at < stages_.size(); ++at) push(held(stages_[at].tail()), at, out);
  else give_missing(output_end_, out);
}

void Decimator::give(std::span<const float> outputs, std::vector<float>& out) {
  outputs = outputs.first(std::min(outputs.size(), static_cast<size_t>(output_end_ - next_output_)));
  const size_t before = out.size();
  out.insert(out.end(), outputs.begin(), outputs.end());
  const int64_t end = next_output_ + static_cast<int64_t>(outputs.size());
  const auto lacking_end = std::find_if(lacking_.begin(), lacking_.end(), [&](int64_t output) { return output >= end; });
  for (auto at = lacking_.begin(); at != lacking_end; ++at) out[before + static_cast<size_t>(*at - next_output_)] = missing;
  lacking_.erase(lacking_.begin(), lacking_end);
  next_output_ = end;
}

void Decimator::give_missing(int64_t end, std::vector<float>& out) {
  if (end <= next_output_) return;
  out.insert(out.end(), static_cast<size_t>(end - next_output_), missing);
  std::erase_if(lacking_, [&](int64_t output) { return output < end; });
  next_output_ = end;
}

void Decimator::note_missing(int64_t first, int64_t end) {
  while (first < end) {
    const int64_t output = (first + factor_ / 2) / factor_;
    const int64_t part_end = std::min(end, first_of(output + 1));
    if (output != counted_output_) counted_missing_ = 0;
    counted_output_ = output;
    const bool noted = 2 * counted_missing_ > factor_;
    counted_missing_ += static_cast<uint64_t>(part_end - first);
    if (!noted && 2 * counted_missing_ > factor_ && output >= next_output_) lacking_.push_back(output);
    first = part_end;
  }
}

}  // namespace joulespool::signal
