#include "agent/signal/rolling_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/base/units.h"

namespace joulespool::signal {
namespace {

constexpr std::array quantities = {Quantity::current, Quantity::voltage, Quantity::power};

int128 sum_of(const wire::Window& window, Quantity quantity) {
  switch (quantity) {
    case Quantity::current: return window.i_sum;
    case Quantity::voltage: return window.v_sum;
    case Quantity::power: return window.p_sum;
  }
  return 0;
}

// In units; valid > 0.
double mean_units(const wire::Window& window, Quantity quantity) {
  return static_cast<double>(sum_of(window, quantity)) / static_cast<double>(window.valid);
}

// Minima, and maxima with the sign turned, so that all six are minima. Turning a sign twice gives the same bits.
std::array<float, 6> minima_of(const wire::Window& window) {
  return {window.i_min, -window.i_max, window.v_min, -window.v_max, window.p_min, -window.p_max};
}

}  // namespace

void RollingStatistics::SlidingMin::add(uint64_t number, float value) {
  while (size_ > 0 && entry(size_ - 1).value > value) --size_;  // of equal ones the first stays
  ring_[(first_ + size_) % ring_.size()] = {number, value};
  ++size_;
}

void RollingStatistics::SlidingMin::drop(uint64_t number) {
  if (size_ == 0 || entry(0).number != number) return;
  first_ = static_cast<uint32_t>((first_ + 1) % ring_.size());
  --size_;
}

float RollingStatistics::SlidingMin::value() const {
  return size_ == 0 ? std::numeric_limits<float>::infinity() : entry(0).value;
}

RollingStatistics::RollingStatistics(uint32_t windows)
    : windows_(std::clamp(windows, 1U, windows_max)),
      extremes_{SlidingMin(slots()), SlidingMin(slots()), SlidingMin(slots()),
                SlidingMin(slots()), SlidingMin(slots()), SlidingMin(slots())},
      means_{RankTree(slots()), RankTree(slots()), RankTree(slots())} {}

void RollingStatistics::clear() {
  next_ = 0;
  size_ = 0;
  total_ = {};
  for (SlidingMin& extreme : extremes_) extreme.clear();
  for (RankTree& means : means_) means.clear();
}

void RollingStatistics::add(const wire::Window& window) {
  if (window.count == 0) return;
  if (size_ == slots()) drop_oldest();
  const uint32_t slot = slot_of(next_);
  windows_[slot] = window;
  total_.merge(window);
  if (window.valid > 0) {
    const std::array<float, 6> minima = minima_of(window);
    for (size_t at = 0; at < minima.size(); ++at) extremes_[at].add(next_, minima[at]);
    for (const Quantity quantity : quantities) tree_of(quantity).insert(slot, mean_units(window, quantity));
  }
  ++next_;
  ++size_;
  set_extremes();
}

// What is left when the oldest goes; its ids and extremes are set when the new one is there.
void RollingStatistics::drop_oldest() {
  const uint64_t number = next_ - size_;
  const wire::Window& oldest = windows_[slot_of(number)];
  total_.count -= oldest.count;
  total_.valid -= oldest.valid;
  total_.i_sum = wrapping_subtract(total_.i_sum, oldest.i_sum);
  total_.v_sum = wrapping_subtract(total_.v_sum, oldest.v_sum);
  total_.p_sum = wrapping_subtract(total_.p_sum, oldest.p_sum);
  total_.i2_sum = wrapping_subtract(total_.i2_sum, oldest.i2_sum);
  total_.v2_sum = wrapping_subtract(total_.v2_sum, oldest.v2_sum);
  if (oldest.valid > 0) {
    for (SlidingMin& extreme : extremes_) extreme.drop(number);
    for (RankTree& means : means_) means.erase(slot_of(number));
  }
  --size_;
}

void RollingStatistics::set_extremes() {
  total_.sample_id_first = windows_[slot_of(next_ - size_)].sample_id_first;
  total_.i_min = extremes_[0].value();
  total_.i_max = -extremes_[1].value();
  total_.v_min = extremes_[2].value();
  total_.v_max = -extremes_[3].value();
  total_.p_min = extremes_[4].value();
  total_.p_max = -extremes_[5].value();
}

std::optional<double> RollingStatistics::mean(Quantity quantity) const {
  if (total_.valid == 0) return std::nullopt;
  return mean_units(total_, quantity) / units_per_one;
}

std::optional<double> RollingStatistics::rms(Quantity quantity) const {
  if (total_.valid == 0 || quantity == Quantity::power) return std::nullopt;
  const int128 squares = quantity == Quantity::current ? total_.i2_sum : total_.v2_sum;
  return std::sqrt(static_cast<double>(squares) / static_cast<double>(total_.valid)) / units_per_one;
}

double RollingStatistics::charge_c(double sample_rate_hz) const { return integral(total_.i_sum, sample_rate_hz); }

double RollingStatistics::energy_j(double sample_rate_hz) const { return integral(total_.p_sum, sample_rate_hz); }

std::optional<double> RollingStatistics::quantile(Quantity quantity, double q) const {
  const RankTree& means = means_[static_cast<size_t>(quantity)];
  if (means.size() == 0 || !(q >= 0 && q <= 1)) return std::nullopt;
  const double place = (means.size() - 1) * q;
  const auto rank = static_cast<uint32_t>(place);
  const double below = means.at(rank);
  const double above = rank + 1 < means.size() ? means.at(rank + 1) : below;
  return (below + (place - rank) * (above - below)) / units_per_one;
}

}  // namespace joulespool::signal
