#include "agent/signal/decimation_stage.h"

#include <algorithm>
#include <cassert>

namespace joulespool::signal {

namespace scalar {
extern const DecimationKernels decimation_kernels;
}
namespace baseline {
extern const DecimationKernels decimation_kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const DecimationKernels decimation_kernels;
}
#endif

const DecimationKernels& decimation_kernels(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx2) return avx2::decimation_kernels;
#endif
  return set == InstructionSet::scalar ? scalar::decimation_kernels : baseline::decimation_kernels;
}

namespace {

int64_t floor_divided(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

// Rises of a half-band are two samples wide, and there is one per group.
int32_t DecimationStage::rise_at(int distance) const {
  if (factor_ == 2) return distance;
  const auto group = static_cast<int32_t>(floor_divided(distance, 5));
  return static_cast<int32_t>(static_cast<size_t>(distance - 5 * group) * capacity_) + group;
}

DecimationStage::DecimationStage(const DecimationFilter& filter, const DecimationKernels& kernels, size_t input_max)
    : kernels_(&kernels),
      factor_(filter.factor),
      reach_(filter.reach()),
      behind_((reach_ + factor_ - 1) / factor_),
      ahead_(reach_ / factor_),
      input_max_(input_max) {
  const size_t groups_max = input_max / factor_ + 1;
  capacity_ = behind_ + ahead_ + std::max<size_t>(3 * groups_max, size_t{4} * (behind_ + ahead_));
  rows_.resize(capacity_ * (factor_ == 2 ? 2 : 6));
  output_.resize(groups_max);
  for (size_t at = 0; at < filter.gains.size(); ++at) {
    const int distance = static_cast<int>(filter.gains.size() - at);
    taps_.push_back({filter.gains[at], rise_at(distance), rise_at(factor_ == 2 ? -distance : 1 - distance)});
  }
}

int64_t DecimationStage::first_output(int64_t input) const {
  return -floor_divided(static_cast<int64_t>(reach_) - input, factor_);
}

void DecimationStage::begin(int64_t output, int64_t input, float held) {
  assert(input >= input_wanted(output));
  const int64_t group = floor_divided(input, factor_);
  filled_ = static_cast<size_t>(group - (output - behind_));
  next_ = behind_;
  assert(filled_ <= capacity_);
  for (size_t which = 0; which < rows_.size() / capacity_; ++which) std::fill_n(row(which), filled_, which == 0 ? held : 0.0F);
  pending_count_ = static_cast<size_t>(input - group * factor_);
  std::fill_n(pending_, pending_count_, held);
  before_ = held;
}

void DecimationStage::make_room(size_t groups) {
  if (filled_ + groups <= capacity_) return;
  const size_t first = next_ - behind_;  // outputs follow each other: there is at most what one of them needs before its end
  for (size_t which = 0; which < rows_.size() / capacity_; ++which)
    std::copy(row(which) + first, row(which) + filled_, row(which));
  filled_ -= first;
  next_ = behind_;
}

void DecimationStage::split(const float* input, size_t groups) {
  if (groups == 0) return;
  if (factor_ == 2) kernels_->split2(input, groups, before_, row(0) + filled_, row(1) + filled_);
  if (factor_ == 5) kernels_->split5(input, groups, before_, row(0) + filled_, row(1) + filled_, capacity_);
  before_ = input[groups * factor_ - 1];
  filled_ += groups;
}

std::span<const float> DecimationStage::push(std::span<const float> input) {
  assert(input.size() <= input_max_);
  make_room(input.size() / factor_ + 1);
  if (pending_count_ > 0) {
    const size_t count = std::min(factor_ - pending_count_, input.size());
    std::copy_n(input.begin(), count, pending_ + pending_count_);
    pending_count_ += count;
    input = input.subspan(count);
    if (pending_count_ < factor_) return {};
    split(pending_, 1);
  }
  const size_t groups = input.size() / factor_;
  split(input.data(), groups);
  pending_count_ = input.size() - groups * factor_;
  std::copy_n(input.end() - static_cast<std::ptrdiff_t>(pending_count_), pending_count_, pending_);
  if (filled_ <= next_ + ahead_) return {};
  const size_t count = filled_ - ahead_ - next_;
  kernels_->filter(row(0) + next_, row(1) + next_, taps_.data(), taps_.size(), count, output_.data());
  next_ += count;
  return std::span(output_).first(count);
}

}  // namespace joulespool::signal
