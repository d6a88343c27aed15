#include "tests/support/standin/statistics_blocks.h"

#include <algorithm>
#include <cmath>

namespace joulespool::standin {
namespace {

constexpr double two_31 = 2147483648.0;

}  // namespace

void StatisticsBlocks::Series::add(double value, bool first) {
  sum += value;
  squares += value * value;
  minimum = first ? value : std::min(minimum, value);
  maximum = first ? value : std::max(maximum, value);
}

device::abi::Moments StatisticsBlocks::Series::over(uint32_t count) const {
  if (count == 0) return {std::nan(""), std::nan(""), std::nan(""), std::nan("")};
  const double average = sum / count;
  return {average, std::sqrt(std::max(0.0, squares / count - average * average)), minimum, maximum};
}

void StatisticsBlocks::clear() {
  begun_ = false;
  count_ = valid_ = 0;
  i_ = v_ = p_ = {};
  charge_ = energy_ = 0;
}

void StatisticsBlocks::add_sample(float i, float v) {
  const double current = static_cast<double>(i), voltage = static_cast<double>(v);
  if (std::isnan(current) || std::isnan(voltage)) return;
  const bool first = valid_++ == 0;
  i_.add(current, first);
  v_.add(voltage, first);
  p_.add(current * voltage, first);
  const auto current_q31 = static_cast<int64_t>(current * two_31);
  charge_ += current_q31;
  if (layout_.cuts_each_product) energy_ += static_cast<int128>(static_cast<int64_t>(current * voltage * two_31)) << 31;
  else energy_ += static_cast<int128>(current_q31) * static_cast<int64_t>(voltage * two_31);
}

void StatisticsBlocks::add(uint64_t sample_id, std::span<const float> i, std::span<const float> v) {
  for (size_t k = 0; k < i.size(); ++k) {
    if (!begun_) accum_id_ = sample_id + k * layout_.decimation;
    begun_ = true;
    if (count_ == 0) block_id_ = sample_id + k * layout_.decimation;
    add_sample(i[k], v[k]);
    if (++count_ >= block_samples_) end_block();
  }
}

int128 StatisticsBlocks::scaled(int128 sum, int128 divisor) const {
  constexpr int64_t parts = 1'000'000;
  if (scale_ != 1) sum = sum / parts * std::llround(scale_ * parts);
  return sum / divisor;
}

void StatisticsBlocks::end_block() {
  const int128 rate = layout_.sample_freq / layout_.decimation;
  const int128 charge = scaled(charge_, rate);
  const int128 energy = scaled(energy_, rate << 31);
  device::abi::Statistics block;
  block.decimate_factor = static_cast<uint8_t>(layout_.decimation);
  block.block_sample_count = count_;
  block.sample_freq = layout_.sample_freq;
  block.block_sample_id = block_id_;
  block.accum_sample_id = accum_id_;
  block.i = i_.over(valid_);
  block.v = v_.over(valid_);
  block.p = p_.over(valid_);
  block.charge_f64 = static_cast<double>(charge) / two_31;
  block.energy_f64 = static_cast<double>(energy) / two_31;
  block.charge_i128[0] = low_half(charge);
  block.charge_i128[1] = static_cast<uint64_t>(high_half(charge));
  block.energy_i128[0] = low_half(energy);
  block.energy_i128[1] = static_cast<uint64_t>(high_half(energy));
  count_ = valid_ = 0;
  i_ = v_ = p_ = {};
  send_(block);
}

}  // namespace joulespool::standin
