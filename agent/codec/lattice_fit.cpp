#include "agent/codec/lattice_fit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace joulespool::codec {
namespace {

constexpr double steps_max = 1 << 24;  // from the lowest to the highest value
constexpr double ulps_per_step_min = 6;

double ulp_of(float largest) { return largest == 0 ? 0 : std::ldexp(1.0, std::ilogb(largest) - 23); }

// Indices of the values, the first being 0, and a first estimate of the step, which gets better from value to value.
bool count_steps(std::span<const float> values, std::vector<double>& index, double& step) {
  double narrowest = std::numeric_limits<double>::infinity();
  for (size_t at = 1; at < values.size(); ++at)
    narrowest = std::min(narrowest, static_cast<double>(values[at]) - static_cast<double>(values[at - 1]));
  if (narrowest < ulps_per_step_min * ulp_of(std::max(std::fabs(values.front()), std::fabs(values.back())))) return false;
  double total = 0;
  int count = 0;
  for (size_t at = 1; at < values.size(); ++at) {
    const double gap = static_cast<double>(values[at]) - static_cast<double>(values[at - 1]);
    if (gap > 1.5 * narrowest) continue;
    total += gap;
    ++count;
  }
  step = total / count;
  index.assign(values.size(), 0);
  for (size_t at = 1; at < values.size(); ++at) {
    const double gap = static_cast<double>(values[at]) - static_cast<double>(values[at - 1]);
    const double steps = std::nearbyint(gap / step);
    if (steps < 1 || index[at - 1] + steps > steps_max) return false;
    index[at] = index[at - 1] + steps;
    if (index[at] > 8) step = (static_cast<double>(values[at]) - static_cast<double>(values[0])) / index[at];
  }
  return true;
}

struct Slack {
  double width = 0;   // of the values that index 0 may have; negative: none
  double middle = 0;  // of them
  double slope = 0;   // of width over the step
};

Slack slack_at(double step, const std::vector<Rounding>& intervals, const std::vector<double>& index) {
  double low = -std::numeric_limits<double>::infinity(), high = -low, low_index = 0, high_index = 0;
  for (size_t at = 0; at < intervals.size(); ++at) {
    const double from_first = step * index[at];
    if (intervals[at].low - from_first > low) {
      low = intervals[at].low - from_first;
      low_index = index[at];
    }
    if (intervals[at].high - from_first < high) {
      high = intervals[at].high - from_first;
      high_index = index[at];
    }
  }
  return {high - low, (low + high) / 2, low_index - high_index};
}

bool is_power_of_two(double step) {
  int exponent = 0;
  const double mantissa = std::frexp(step, &exponent);
  return std::fabs(mantissa - 0.5) < 1e-7 || std::fabs(mantissa - 1) < 1e-7;
}

bool reproduces(const Lattice& lattice, std::span<const float> values, const std::vector<double>& index) {
  for (size_t at = 0; at < values.size(); ++at)
    if (std::bit_cast<uint32_t>(static_cast<float>((index[at] + lattice.offset) * lattice.step)) !=
        std::bit_cast<uint32_t>(values[at]))
      return false;
  return true;
}

uint32_t slot_of(uint32_t bits, size_t slots) { return static_cast<uint32_t>((uint64_t{bits * 2654435761U} * slots) >> 32); }

}  // namespace

std::optional<Lattice> fit_lattice(std::span<const float> values) {
  std::vector<double> index;
  double step = 0;
  if (values.size() < 2 || !count_steps(values, index, step) || is_power_of_two(step)) return std::nullopt;
  std::vector<Rounding> intervals;
  for (const float value : values) intervals.push_back(rounding_of(value));
  const double reach = 4 * ulp_of(std::max(std::fabs(values.front()), std::fabs(values.back()))) / index.back();
  // Indices count from the value nearest to 0, whose interval is the narrowest: from elsewhere it would be lost in rounding.
  const auto least = std::min_element(values.begin(), values.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  const double origin = index[static_cast<size_t>(least - values.begin())];
  for (double& one : index) one -= origin;
  double low = step - reach, high = step + reach;
  Slack slack;
  for (int turn = 0; turn < 60; ++turn) {
    step = (low + high) / 2;
    slack = slack_at(step, intervals, index);
    if (slack.slope == 0 || step <= low || step >= high) break;
    (slack.slope > 0 ? low : high) = step;
  }
  if (slack.width <= 0 || is_power_of_two(step)) return std::nullopt;
  const Lattice lattice{slack.middle / step, step};
  if (!reproduces(lattice, values, index)) return std::nullopt;
  return lattice;
}

Rounding rounding_of(float value) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return {(static_cast<double>(std::nextafter(value, -infinity)) + static_cast<double>(value)) / 2,
          (static_cast<double>(std::nextafter(value, infinity)) + static_cast<double>(value)) / 2};
}

bool is_visible(const Lattice& lattice, std::span<const float> values) {
  const double largest = lattice.step * (1 << 23) / ulps_per_step_min;
  return std::all_of(values.begin(), values.end(),
                     [&](float value) { return !std::isfinite(value) || std::fabs(static_cast<double>(value)) <= largest; });
}

void DistinctValues::clear(size_t values) {
  slots_.assign(std::bit_ceil(2 * std::min(values, distinct_max) + 16), {});
  distinct_ = 0;
  seen_ = 0;
}

bool DistinctValues::add(std::span<const float> values) {
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const auto bits = std::bit_cast<uint32_t>(value);
    uint32_t at = slot_of(bits, slots_.size());
    while (slots_[at].count > 0 && slots_[at].bits != bits) at = (at + 1) % static_cast<uint32_t>(slots_.size());
    if (slots_[at].count == 0) {
      if (distinct_ == distinct_max) return false;
      ++distinct_;
      slots_[at].bits = bits;
    }
    ++slots_[at].count;
    ++seen_;
  }
  return true;
}

void DistinctValues::list(uint32_t count_min, std::vector<float>& out) const {
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  for (const Slot& slot : slots_)
    if (slot.count >= count_min && slot.count > 0) out.push_back(std::bit_cast<float>(slot.bits));
  std::sort(out.begin() + first, out.end());
}

}  // namespace joulespool::codec
